/** `baton keys …`: makes, lists and revokes the API's keys. A key's text is printed once, and kept nowhere. */
import { BatonError, type Budget } from "@baton/core";
import { type ApiKeyRecord, type ApiKeyScope, type ApiKeys, openApiKeys } from "@baton/store";
import { systemIds } from "@baton/worker-app";
import { type LocalContext, openLocal } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { showTable } from "../fit-table.ts";
import { clean, counted } from "../terminal.ts";

const DAY_MS = 86_400_000;

export interface CreateFlags {
  readonly scope: readonly ApiKeyScope[];
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly rpm?: number;
  readonly maxLive?: number;
  readonly budgetUsd?: number;
  readonly budgetTokens?: number;
  /** Days. */
  readonly expires?: number;
  readonly json?: boolean;
}

export async function create(name: string, flags: CreateFlags): Promise<ExitCode> {
  const namespace = namespaceOf(flags);
  await using context = await openLocal({ quiet: flags.json === true });
  const { text, record } = await keysOf(context).create({
    name,
    scopes: [...new Set(flags.scope)],
    namespace,
    rpm: flags.rpm,
    maxLive: flags.maxLive,
    budget: budgetOf(flags),
    expiresAt: flags.expires === undefined ? undefined : systemIds.now() + flags.expires * DAY_MS,
  });
  const { out, err } = context.terminal;
  if (flags.json === true) {
    out(`${JSON.stringify({ key: text, ...shown(record) })}\n`);
    return EXIT.done;
  }
  // The key alone stands on standard output, for a variable or a file.
  out(`${text}\n`);
  err(
    `This is key ${record.id}, shown once: ${grantText(record)}.\nSend it as \`Authorization: Bearer …\`.\n`,
  );
  return EXIT.done;
}

export async function list(flags: { readonly json?: boolean }): Promise<ExitCode> {
  await using context = await openLocal({ quiet: flags.json === true });
  const { out, err } = context.terminal;
  const known = await keysOf(context).read();
  const records = [...(known?.keys.values() ?? [])].sort((one, other) => one.createdAt - other.createdAt);
  if (flags.json === true) {
    for (const record of records) out(`${JSON.stringify(shown(record))}\n`);
    return EXIT.done;
  }
  if (records.length === 0) {
    err("no keys: an API on loopback asks for none until one is made (baton keys create NAME)\n");
    return EXIT.done;
  }
  showTable(
    context.terminal,
    [
      ["id", "name", "scopes", "namespace", "made", "ends", ""],
      ...records.map((record) => [
        record.id,
        clean(record.name),
        record.scopes.join(","),
        record.namespace ?? "all",
        dayOf(record.createdAt),
        record.expiresAt === undefined ? "-" : endText(record.expiresAt),
        boundsText(record),
      ]),
    ],
    { remarks: true, spare: ["made"], cut: "name" },
  );
  return EXIT.done;
}

export async function revoke(
  id: string | undefined,
  flags: { readonly all?: boolean; readonly json?: boolean },
): Promise<ExitCode> {
  if ((id === undefined) === (flags.all !== true)) {
    throw new BatonError("invalid_spec", "name the key to revoke (`baton keys ls` lists them), or say --all");
  }
  await using context = await openLocal({ quiet: flags.json === true });
  const keys = keysOf(context);
  await (id === undefined ? keys.revokeAll() : keys.revoke(id));
  const { out } = context.terminal;
  if (flags.json === true) out(`${JSON.stringify({ revoked: id ?? "all" })}\n`);
  else out(id === undefined ? "all keys are revoked\n" : `${clean(id)} is revoked\n`);
  return EXIT.done;
}

function keysOf({ store }: LocalContext): ApiKeys {
  return openApiKeys(store.connection, systemIds);
}

function namespaceOf({ namespace, allNamespaces }: CreateFlags): string | undefined {
  if (allNamespaces !== true) return namespace === "all" ? refuseAll() : namespace;
  if (namespace === undefined) return "all";
  throw new BatonError("invalid_spec", "give either --namespace or --all-namespaces");
}

/** It would read as all of them. */
function refuseAll(): never {
  throw new BatonError("invalid_spec", "no namespace is called all: use --all-namespaces, or another name");
}

function budgetOf({ budgetUsd, budgetTokens }: CreateFlags): Budget | undefined {
  if (budgetUsd === undefined && budgetTokens === undefined) return undefined;
  return { usd: budgetUsd, tokens: budgetTokens };
}

/** In the wire's snake_case, without the hash. */
function shown({ id, name, scopes, namespace, rpm, maxLive, budget, createdAt, expiresAt }: ApiKeyRecord) {
  return {
    id,
    name,
    scopes,
    namespace: namespace ?? null,
    rpm,
    max_live: maxLive,
    budget,
    created_at: new Date(createdAt).toISOString(),
    expires_at: expiresAt === undefined ? undefined : new Date(expiresAt).toISOString(),
  };
}

function grantText(record: ApiKeyRecord): string {
  const whose = record.namespace === undefined ? "all runs" : `runs of namespace ${record.namespace}`;
  const parts = [`${record.scopes.join(", ")} on ${whose}`, boundsText(record)];
  if (record.expiresAt !== undefined) parts.push(`until ${dayOf(record.expiresAt)}`);
  return parts.filter((part) => part !== "").join("; ");
}

function boundsText({ rpm, maxLive, budget = {} }: ApiKeyRecord): string {
  return [
    rpm === undefined ? "" : `${counted(rpm, "request")} a minute`,
    maxLive === undefined ? "" : counted(maxLive, "live run"),
    budget.tokens === undefined ? "" : counted(budget.tokens, "token"),
    budget.usd === undefined ? "" : `${budget.usd} USD`,
  ]
    .filter((part) => part !== "")
    .join(", ");
}

function endText(at: number): string {
  return at <= systemIds.now() ? "expired" : dayOf(at);
}

function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
