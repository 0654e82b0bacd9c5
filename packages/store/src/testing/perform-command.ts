/** The model's commands done to a real ledger, with its replies in the model's words. */
import { NO_USAGE, type RunId } from "@baton/core";
import type { QueueEntry } from "../create-run.ts";
import type { Ledger } from "../ledger.ts";
import type { WrittenTurn } from "../write-claim.ts";
import { newOp } from "./make-run.ts";
import { type ModelCommand, type ModelRun, TAKEOVERS_MAX } from "./run-model.ts";

/** What each model reply takes. */
export const REPLY_COSTS = { tokens: 3, nanoUsd: 2 } as const;

type Whose = Pick<ModelRun, "id" | "batch" | "namespace">;

/** Sends the command, and tells the reply in the model's words. */
export async function perform(ledger: Ledger, run: Whose, command: ModelCommand): Promise<string> {
  const { id } = run;
  switch (command.kind) {
    case "claim": {
      const { claimId, ...entry } = command.claim;
      const options = { entry, claimId, capabilities: new Set<string>(), unfitGraceMs: 0 };
      const reply = await ledger.claim({ ...options, takeoversMax: TAKEOVERS_MAX });
      if (reply.kind === "finished") return `finished ${reply.why}`;
      if (reply.kind !== "claimed") return reply.kind;
      return `claimed ${reply.claim.epoch} ${reply.items.length} ${reply.takeover ? "takeover" : "own"}`;
    }
    case "append": {
      const reply = await ledger.append(command.claim, {
        ...command,
        turn: turnOf(command, run),
        events: [],
      });
      if (reply.kind === "fenced") return `fenced ${reply.status}`;
      return `${reply.kind} ${reply.length} ${reply.pausing}`;
    }
    case "commit": {
      const reply = await ledger.commit(command.claim, {
        ...command,
        turn: turnOf(command, run),
        events: [],
      });
      if (reply.kind === "fenced") return `fenced ${reply.status}`;
      return [reply.kind, reply.status, ...entryOf(reply.entry)].join(" ");
    }
    default: {
      const reply = await control(ledger, id, command);
      if (reply.kind === "gone") return "gone";
      if (reply.kind === "refused") return `refused ${reply.status}`;
      return ["done", ...entryOf(reply.entry)].join(" ");
    }
  }
}

function control(
  ledger: Ledger,
  id: RunId,
  command: Exclude<ModelCommand, { kind: "claim" | "append" | "commit" }>,
) {
  switch (command.kind) {
    case "requeue":
      return ledger.requeue(id, newOp(), command);
    case "cancel":
      return ledger.cancel(id, newOp());
    case "pause":
      return ledger.pause(id, newOp());
    case "resume":
      return ledger.resume(id, newOp(), command.answer);
    case "retry": {
      const { epoch, length, items, pool } = command;
      const timeoutMs = command.timeout ? 3_600_000 : 0;
      return ledger.retry(id, { op: newOp(), epoch, length, items, pool, timeoutMs });
    }
    case "expire":
      return ledger.expire(id);
  }
}

function turnOf({ turn }: { readonly turn: boolean }, { batch, namespace }: Whose): WrittenTurn | undefined {
  if (!turn) return undefined;
  const phaseUsage = { ...NO_USAGE, costUsd: 0 };
  if (batch === undefined && namespace === undefined) return { phaseUsage };
  const { tokens, nanoUsd } = REPLY_COSTS;
  return { phaseUsage, spend: { batch, namespace, tokens, costUsd: nanoUsd / 1e9 } };
}

function entryOf(entry: QueueEntry | undefined): readonly (string | number)[] {
  return entry === undefined ? [] : [entry.ticket, entry.pool];
}
