/**
 * A small world without chaos: the real worker, producer and ledger on a real Redis, with models and tools that keep
 * books. It gives the history that a chaos run of it would give. Bugs are planted from the outside, by standing between
 * a worker or a producer and its ledger; the product has no hooks for it.
 */
import {
  type AdapterLookup,
  BatonError,
  type Config,
  functionTool,
  type Item,
  itemSchema,
  type ModelReply,
  type ModelRequest,
  NO_USAGE,
  newOperationId,
  type Part,
  type Run,
  type RunId,
  runIdSchema,
  splitModelId,
  type ToolHost,
  textOf,
} from "@baton/core";
import { Producer } from "@baton/producer";
import { EventHub, type Ledger, openBlockingConnection, runKeys, unpackLog } from "@baton/store";
import { createToolHost } from "@baton/tools";
import { Redis } from "ioredis";
import { z } from "zod";
import { dumpRedis } from "../../packages/store/src/testing/dump-redis.ts";
import { until } from "../support/until.ts";
import { openRig, type Rig, systemIds } from "../support/worker-rig.ts";
import { digestOf } from "./check-digest.ts";
import type {
  Act,
  EndedRun,
  History,
  LogSample,
  Purchase,
  SeenEvent,
  Submission,
  ToolRun,
} from "./history.ts";
import { CLAUDE, call, GPT, SECRET } from "./planted-history.ts";

/** What the model says when so many replies came before. */
const moveSchema = z.enum(["tools", "transfer", "refuse", "text"]);
export type Move = z.infer<typeof moveSchema>;
const ordersSchema = z.object({ mark: z.string(), moves: z.array(moveSchema) });

/** A call of a model or a tool has begun; it goes on when the promise resolves, and fails as it rejects. */
export type Hook = (begun: {
  readonly mark: string;
  /** `model`, or the name of a tool. */
  readonly what: string;
  /** Counts from 1 for each mark and `what`. */
  readonly number: number;
  readonly signal: AbortSignal;
}) => Promise<void> | void;

export type Wrap = (real: Ledger) => Ledger;

export interface World extends AsyncDisposable {
  readonly rig: Rig;
  readonly redis: Redis;
  startWorker(options?: { readonly wrap?: Wrap; readonly hook?: Hook }): Promise<void>;
  /** A producer of its own, perhaps with a bug. */
  producer(wrap?: Wrap): Producer;
  submit(mark: string, moves: readonly Move[], producer?: Producer): Promise<RunId>;
  /** Tells the history what was asked of a run, and asks it. */
  ask(mark: string, did: Act["did"], producer?: Producer): Promise<void>;
  /** Gives the run a new entry and fence, as the reconciler does when it takes the claim for lost. */
  requeue(id: RunId): Promise<void>;
  run(id: RunId): Promise<Run>;
  ended(id: RunId): Promise<Run>;
  purchasesOf(mark: string): readonly Purchase[];
  toolRunsOf(mark: string): readonly ToolRun[];
  history(): Promise<History>;
}

export async function openWorld(url: string): Promise<World> {
  const books = new Books();
  const rig = await openRig(url);
  const redis = new Redis(url);
  const hub = new EventHub(openBlockingConnection({ url, onError: () => undefined }));
  const startedAt = Date.now();
  const producerOf = (wrap: Wrap = unchanged) =>
    new Producer({ ledger: wrap(rig.ledger), queues: rig.queues, hub, ids: systemIds });
  const read = async (id: RunId): Promise<Run> => (await producerOf().get(id)).run;
  return {
    rig,
    redis,
    producer: producerOf,
    run: read,
    purchasesOf: (mark) => books.purchases.filter((one) => one.mark === mark),
    toolRunsOf: (mark) => books.toolRuns.filter((one) => one.mark === mark),
    async startWorker({ wrap = unchanged, hook = () => undefined } = {}) {
      await rig.startWorker({
        adapters: books.adapters(hook),
        tools: books.tools(hook, rig.config.limits),
        capabilities: new Set(["function:look", "function:pay"]),
        patterns: ["*"],
        wrap: (real) => books.sampled(wrap(real), redis),
      });
    },
    async submit(mark, moves, producer = producerOf()) {
      const idempotencyKey = `key-${mark}`;
      const told = { pid: process.pid, mark, idempotencyKey };
      books.submissions.push({ ...told, at: Date.now(), did: "asked" });
      const spec = { input: JSON.stringify({ mark, moves }), model: [GPT, CLAUDE], tools: ["look", "pay"] };
      const { runId } = await producer.submit(spec, { idempotencyKey });
      books.submissions.push({ ...told, at: Date.now(), did: "accepted", runId });
      books.marks.set(runId, mark);
      return runId;
    },
    async ask(mark, did, producer = producerOf()) {
      books.acts.push({ at: Date.now(), mark, did });
      for (const [id, known] of books.marks) if (known === mark) await producer[did](id);
    },
    async requeue(id) {
      const seen = await rig.ledger.glance(id);
      if (seen === undefined || (seen.status !== "queued" && seen.status !== "running")) {
        throw new Error(`${id} is not live`);
      }
      const { status, ticket, epoch, claimId } = seen;
      const reply = await rig.ledger.requeue(id, newOperationId(systemIds), {
        status,
        ticket,
        epoch,
        claimId,
      });
      if (reply.kind === "done" && reply.entry !== undefined) await rig.queues.enqueue(reply.entry);
    },
    async ended(id) {
      return until(
        async () => {
          const run = await read(id);
          return "endedAt" in run && run;
        },
        { what: `the end of ${id}`, withinMs: 20_000 },
      );
    },
    history: () => books.history(rig, redis, startedAt),
    async [Symbol.asyncDispose]() {
      await rig[Symbol.asyncDispose]();
      await hub.close();
      redis.disconnect();
    },
  };
}

/** What providers, tools, producers and onlookers write down. */
class Books {
  readonly submissions: Submission[] = [];
  readonly purchases: Purchase[] = [];
  readonly toolRuns: ToolRun[] = [];
  readonly samples: LogSample[] = [];
  readonly acts: Act[] = [];
  readonly marks = new Map<RunId, string>();
  readonly #begun = new Map<string, number>();

  adapters(hook: Hook): AdapterLookup {
    return (model) => ({
      call: async (request, onDelta, signal): Promise<ModelReply> => {
        const { mark, moves } = ordersOf(request.items);
        const replies = request.items.filter((item) => item.role === "assistant").length;
        const number = this.#count(mark, "model");
        const api = apiOf(request);
        const nonce = `${mark}x${number}`;
        const place = this.purchases.push({ at: Date.now(), api, model, mark, replies, nonce }) - 1;
        await hook({ mark, what: "model", number, signal });
        signal.throwIfAborted();
        const move = moves[replies] ?? "text";
        onDelta({ kind: "text", text: nonce });
        const bought = this.purchases[place];
        if (bought !== undefined) this.purchases[place] = { ...bought, soldAt: Date.now() };
        return {
          parts: [{ type: "text", text: `said ${nonce}` }, ...callsOf(move, request)],
          stopReason: move === "refuse" ? "refusal" : move === "text" ? "end" : "tool_use",
          usage: NO_USAGE,
          origin: { provider: splitModelId(model).provider, api, model },
        };
      },
    });
  }

  /** `look` only reads, `pay` has an effect. */
  tools(hook: Hook, limits: Config["limits"]): ToolHost {
    const toolOf = (tool: "look" | "pay") =>
      functionTool({
        name: tool,
        description: `to ${tool}`,
        parameters: z.object({}),
        readOnly: tool === "look",
        run: async (_args, { runId, idempotencyKey: key, signal }) => {
          const mark = this.marks.get(runIdSchema.parse(runId)) ?? "";
          const place = this.toolRuns.push({ at: Date.now(), mark, tool, key }) - 1;
          await hook({ mark, what: tool, number: this.#count(mark, tool), signal });
          const run = this.toolRuns[place];
          if (run !== undefined) this.toolRuns[place] = { ...run, endedAt: Date.now() };
          return `${tool} is done`;
        },
      });
    return createToolHost({
      functions: [toolOf("look"), toolOf("pay")],
      servers: {},
      env: {},
      allowPrivateAddresses: false,
      limits,
    });
  }

  /** Looks at a run whenever a worker has moved it. */
  sampled(ledger: Ledger, redis: Redis): Ledger {
    const then = async <Reply>(id: RunId, reply: Promise<Reply>): Promise<Reply> => {
      const value = await reply;
      await this.#sample(id, redis);
      return value;
    };
    return {
      ...ledger,
      claim: async (claim) => {
        const reply = await then(claim.entry.runId, ledger.claim(claim));
        // Its tools may run before the producer has heard of the run.
        if (reply.kind === "claimed") this.marks.set(claim.entry.runId, ordersOf(reply.items).mark);
        return reply;
      },
      append: (claim, append) => then(claim.runId, ledger.append(claim, append)),
      commit: (claim, ...rest) => then(claim.runId, ledger.commit(claim, ...rest)),
    };
  }

  async history(rig: Rig, redis: Redis, startedAt: number): Promise<History> {
    const keys = await redis.keys("*");
    const ids = keys.flatMap((key) => {
      const id = runIdSchema.safeParse(key.split(":run:")[1]);
      return id.success ? [id.data] : [];
    });
    const dump = await dumpRedis(redis);
    return {
      seed: 0,
      startedAt,
      submissions: [...this.submissions],
      purchases: [...this.purchases],
      toolRuns: [...this.toolRuns],
      samples: [...this.samples],
      acts: [...this.acts],
      faults: [],
      events: (await Promise.all(ids.map((id) => eventsOf(id, redis)))).flat(),
      runs: await Promise.all(ids.map((id) => readEnded(id, rig, redis))),
      texts: Object.entries(dump).map(([where, held]) => ({ where, text: JSON.stringify(held) })),
      secrets: [SECRET],
      endedAt: Date.now(),
    };
  }

  async #sample(id: RunId, redis: Redis): Promise<void> {
    const { run, log } = runKeys(id);
    const reply = await redis.multi().hmget(run, "epoch", "ticket", "status").lrangeBuffer(log, 0, -1).exec();
    const fields = z.array(z.string().nullable()).parse(reply?.[0]?.[1]);
    const items = unpackLog(z.array(z.instanceof(Buffer)).parse(reply?.[1]?.[1]));
    const [epoch, ticket, status] = fields;
    if (typeof status !== "string") return;
    const digests = items.map((text) => digestOf(JSON.parse(text)));
    const fence = { epoch: Number(epoch), ticket: Number(ticket), status };
    this.samples.push({ at: Date.now(), runId: id, ...fence, digests });
  }

  #count(mark: string, what: string): number {
    const number = (this.#begun.get(`${mark} ${what}`) ?? 0) + 1;
    this.#begun.set(`${mark} ${what}`, number);
    return number;
  }
}

function unchanged(real: Ledger): Ledger {
  return real;
}

/** How the provider of a key would refuse it, if it were as careless as to say it again. */
export function careless(): BatonError {
  return new BatonError("provider_auth", `401 Incorrect API key provided: ${SECRET}`);
}

function ordersOf(items: readonly Item[]): z.infer<typeof ordersSchema> {
  const [first] = items;
  if (first === undefined) throw new Error("a run without items");
  return ordersSchema.parse(JSON.parse(textOf(first)));
}

function apiOf({ model }: ModelRequest): Purchase["api"] {
  return model === GPT ? "openai-responses" : "anthropic-messages";
}

function callsOf(move: Move, { tools, items }: ModelRequest): readonly Part[] {
  if (move === "tools") return [call("look", `look_${items.length}`), call("pay", `pay_${items.length}`)];
  const transfer = tools.find((tool) => tool.origin.kind === "transfer")?.name;
  return move === "transfer" && transfer !== undefined ? [call(transfer, `transfer_${items.length}`)] : [];
}

async function eventsOf(id: RunId, redis: Redis): Promise<readonly SeenEvent[]> {
  const entries = await redis.xrange(runKeys(id).events, "-", "+");
  return entries.flatMap(([entry, fields]) =>
    z
      .array(z.unknown())
      .parse(JSON.parse(fields[1] ?? "[]"))
      .map((event, index) => ({ runId: id, id: `${entry}.${index}`, event })),
  );
}

async function readEnded(id: RunId, rig: Rig, redis: Redis): Promise<EndedRun> {
  const read = await rig.ledger.read(id);
  if (read === undefined) throw new Error(`${id} is gone`);
  // As it lies there: what a bug made of it is for the checker to tell.
  const log = unpackLog(await redis.lrangeBuffer(runKeys(id).log, 0, -1));
  const items = log.map((text) => itemSchema.parse(JSON.parse(text)));
  return { mark: ordersOf(items).mark, ...read, items };
}
