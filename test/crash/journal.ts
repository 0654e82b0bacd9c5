/**
 * The journal of a crash test: what its worker processes did, one JSON line an act. It is a file because a file
 * outlives its writer: what one `write` took is the kernel's, and no SIGKILL takes it back. Lines of several
 * processes do not mix, since each is one `write` to a file that is opened for appending.
 */
import { appendFileSync, closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { STEPS } from "./work.ts";

const common = {
  /** Milliseconds since 1970, by the one clock of the machine. */
  at: z.number(),
  pid: z.int(),
  mark: z.string(),
};

const actSchema = z.discriminatedUnion("did", [
  z.object({ ...common, did: z.literal("claimed"), ticket: z.int(), takeover: z.boolean() }),
  /** A model call began; `seq` is the place in the log that its reply is for. */
  z.object({ ...common, did: z.literal("bought"), seq: z.int(), nonce: z.string() }),
  /** A tool began to run. */
  z.object({ ...common, did: z.literal("ran"), callId: z.string() }),
  /** Redis acknowledged an item: a reply is told by its nonce, a result by its call. */
  z.object({
    ...common,
    did: z.literal("wrote"),
    seq: z.int(),
    nonce: z.string().optional(),
    callId: z.string().optional(),
  }),
  /** Redis acknowledged a commit. */
  z.object({ ...common, did: z.literal("committed"), ticket: z.int(), outcome: z.string() }),
  z.object({
    ...common,
    did: z.literal("refused"),
    script: z.enum(["append", "commit"]),
    status: z.string(),
  }),
  z.object({ ...common, did: z.literal("crashed"), step: z.enum(STEPS) }),
]);

export type Act = z.infer<typeof actSchema>;
export type ActOf<Did extends Act["did"]> = Extract<Act, { did: Did }>;
type WithoutStamp<One> = One extends Act ? Omit<One, "at" | "pid" | "mark"> : never;
/** An act before it is stamped with its time, process and run. */
export type NewAct = WithoutStamp<Act>;

export class Journal {
  readonly #folder: string;
  readonly #file: string;
  readonly #read: Act[] = [];
  #chars = 0;

  constructor(folder: string) {
    this.#folder = folder;
    this.#file = join(folder, "journal.jsonl");
  }

  add(mark: string, act: NewAct): void {
    const line = JSON.stringify({ at: Date.now(), pid: process.pid, mark, ...act });
    appendFileSync(this.#file, `${line}\n`);
  }

  /** All acts so far, of all processes, in the order in which they were written. */
  acts(): readonly Act[] {
    const text = existsSync(this.#file) ? readFileSync(this.#file, "utf8") : "";
    const end = text.lastIndexOf("\n") + 1;
    for (const line of text.slice(this.#chars, end).split("\n")) {
      if (line !== "") this.#read.push(actSchema.parse(JSON.parse(line)));
    }
    this.#chars = end;
    return this.#read;
  }

  /** The acts of one kind, of one run or of all. */
  of<Did extends Act["did"]>(did: Did, mark?: string): readonly ActOf<Did>[] {
    return this.acts().filter(
      // The union is discriminated by `did`.
      (act): act is ActOf<Did> => act.did === did && (mark === undefined || act.mark === mark),
    );
  }

  /** True for the first caller of all processes, false for those that follow. */
  isFirst(name: string): boolean {
    try {
      closeSync(openSync(join(this.#folder, name), "wx"));
      return true;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
      throw error;
    }
  }

  /** Whether nobody was the first yet. */
  isOpen(name: string): boolean {
    return !existsSync(join(this.#folder, name));
  }
}
