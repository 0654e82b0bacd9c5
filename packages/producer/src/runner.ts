/**
 * The Runner: the surface of the Dedalus SDK's `DedalusRunner` over durable runs. `run` submits and follows; the
 * models, MCP servers and configured functions run on workers, only functions that are given here run here. When
 * this process dies the run is still there: `follow` its id from anywhere and the answer is the same.
 *
 * What differs from the reference, by intent: a run that fails or reaches `maxSteps` rejects instead of ending
 * with an empty text; `modelsUsed` are the models that really ran; results of server tools are among
 * `toolResults`; text of a failed attempt is withdrawn from a stream; a plain function gets its parameters by
 * their names, one or many.
 */
import { BatonError, describeIssues, isTerminal, type RunId, type RunSpec, runIdSchema } from "@baton/core";
import type { LocalOutcome } from "./call-local.ts";
import { errorOf, type FollowEnd, followRun } from "./follow-run.ts";
import { systemTexts } from "./messages-of.ts";
import { type Chunker, createChunker, type RunChunk } from "./run-chunks.ts";
import { type RunLog, type RunnerLog, SILENT, verboseLog } from "./run-log.ts";
import {
  type FollowParams,
  type RunOptions,
  type RunParams,
  readFollowParams,
  readParams,
} from "./run-params.ts";
import type { RunService } from "./run-service.ts";
import { RunStream } from "./run-stream.ts";
import { type RunnerResult, runnerResult } from "./runner-result.ts";

export interface RunnerOptions {
  /** On Redis, or through the HTTP API. */
  readonly producer: RunService;
  /** Where `verbose` logs to; without it, nowhere. */
  readonly log?: RunnerLog;
  /** For runs that do not say themselves. */
  readonly verbose?: boolean;
  readonly debug?: boolean;
  /** Characters of a result of the caller's own tools; what is longer is cut. */
  readonly toolResultCharsMax?: number;
}

const TOOL_RESULT_CHARS_MAX = 100_000;

export class Runner {
  readonly #options: RunnerOptions;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /**
   * Submits a run and waits for its result, or gives its chunks as they come. Rejects with a `BatonError`:
   * `invalid_spec` or `conflict` before anything is written; else what the run failed with, `cancelled`, or
   * `provider_protocol` when the answer does not fit a given schema, each with `fields.runId`.
   */
  run<Parsed = unknown>(params: RunParams<Parsed> & { readonly stream: true }): Promise<RunStream<Parsed>>;
  run<Parsed = unknown>(
    params: RunParams<Parsed> & { readonly stream?: false | null },
  ): Promise<RunnerResult<Parsed>>;
  run<Parsed = unknown>(params: RunParams<Parsed>): Promise<RunnerResult<Parsed> | RunStream<Parsed>>;
  async run<Parsed>(params: RunParams<Parsed>): Promise<RunnerResult<Parsed> | RunStream<Parsed>> {
    const { spec, options } = readParams(params);
    for (const warning of options.warnings) this.#options.log?.warn(warning);
    options.signal?.throwIfAborted();
    const { idempotencyKey } = options;
    const { runId } = await this.#options.producer.submit(spec, { idempotencyKey });
    return this.#start(runId, options, "0-0");
  }

  /**
   * Goes on with a run that is there already, of this process or another: gives it the code of its tools, waits
   * for its result or streams it, first what was said so far.
   */
  follow<Parsed = unknown>(
    id: string,
    params: FollowParams<Parsed> & { readonly stream: true },
  ): Promise<RunStream<Parsed>>;
  follow<Parsed = unknown>(
    id: string,
    params?: FollowParams<Parsed> & { readonly stream?: false | null },
  ): Promise<RunnerResult<Parsed>>;
  async follow<Parsed>(
    id: string,
    params: FollowParams<Parsed> = {},
  ): Promise<RunnerResult<Parsed> | RunStream<Parsed>> {
    const runId = runIdSchema.safeParse(id);
    if (!runId.success)
      throw new BatonError("invalid_spec", describeIssues(runId.error), { cause: runId.error });
    return this.#start(runId.data, readFollowParams(params), undefined);
  }

  async #start<Parsed>(
    id: RunId,
    options: RunOptions<Parsed>,
    after: string | undefined,
  ): Promise<RunnerResult<Parsed> | RunStream<Parsed>> {
    const chunks = this.#chunks(id, options, after);
    if (options.stream) return new RunStream(id, chunks);
    for (;;) {
      const next = await chunks.next();
      if (next.done) return next.value;
    }
  }

  /** Follows the run to its result; yields chunks if they are asked for. */
  async *#chunks<Parsed>(
    id: RunId,
    options: RunOptions<Parsed>,
    after: string | undefined,
  ): AsyncGenerator<RunChunk, RunnerResult<Parsed>, void> {
    const { producer, toolResultCharsMax = TOOL_RESULT_CHARS_MAX } = this.#options;
    const { run, spec } = await producer.get(id);
    const log = this.#logOf(id, spec, options);
    const chunker = options.stream ? this.#chunkerOf(run, spec) : undefined;
    const returned = new Map<string, unknown>();
    const onOutcome = (outcome: LocalOutcome): void => {
      returned.set(outcome.call.callId, outcome.result);
      log.onOutcome(outcome);
    };
    const tools = options.autoExecuteTools ? options.tools.local : new Map();
    const following = followRun(
      producer,
      { id, tools, resultCharsMax: toolResultCharsMax, after, onOutcome },
      options.signal ?? new AbortController().signal,
    );
    let end: FollowEnd;
    try {
      for (;;) {
        const next = await following.next();
        if (next.done) {
          end = next.value;
          break;
        }
        await log.onEvent(next.value);
        if (chunker !== undefined) yield* await chunker.onEvent(next.value);
      }
    } finally {
      await following.return({ kind: "over" });
    }
    const result = await this.#resultOf(id, end, options, returned);
    log.onResult(result);
    if (chunker !== undefined && result.status === "succeeded") yield chunker.end(result.usage);
    return result;
  }

  async #resultOf<Parsed>(
    id: RunId,
    end: FollowEnd,
    { format }: RunOptions<Parsed>,
    returned: ReadonlyMap<string, unknown>,
  ): Promise<RunnerResult<Parsed>> {
    const { producer } = this.#options;
    const { run, spec } = await producer.get(id);
    const error = errorOf(run);
    if (error !== undefined) throw error;
    if (end.kind === "over" && !isTerminal(run.status)) {
      throw new BatonError("conflict", `run ${id} was put back to work as it ended: follow it again`, {
        fields: { runId: id },
      });
    }
    const [result, items] = await Promise.all([producer.resultNow(id), producer.conversation(id)]);
    const text = result.final_output;
    const outputParsed =
      text === null || format.parse === undefined
        ? // Without a schema that came with its parser nothing is known of its type.
          (result.output_parsed as Parsed | undefined)
        : format.parse(text, id);
    const pending = end.kind === "left" ? end.calls : [];
    return runnerResult({ run, result, items, system: systemTexts(spec), outputParsed, pending, returned });
  }

  #chunkerOf(run: Parameters<typeof createChunker>[0]["run"], spec: RunSpec): Chunker {
    const clientTools = new Set(
      (spec.tools ?? []).flatMap((tool) => (typeof tool === "string" ? [] : [tool.function.name])),
    );
    const readItem = async (seq: number) => (await this.#options.producer.conversation(run.id, seq, seq))[0];
    return createChunker({ run, clientTools, readItem });
  }

  #logOf(id: RunId, spec: RunSpec, options: RunOptions<unknown>): RunLog {
    const { log, producer, verbose = false, debug = false } = this.#options;
    if (log === undefined || !(options.verbose ?? verbose)) return SILENT;
    const names = [...options.tools.local.keys()];
    if (names.length > 0) log.info(`Local tools available: ${names.join(", ")}`);
    return verboseLog({
      log,
      debug: options.debug ?? debug,
      stepsMax: spec.max_turns,
      readItems: () => producer.conversation(id),
    });
  }
}
