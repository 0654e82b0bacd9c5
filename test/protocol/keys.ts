/**
 * The canonical key of a state: two states with one key can do the same from here on.
 *
 *   - symbols are renamed in the order in which they are met, so only who equals whom is left of them;
 *   - tickets and epochs are counted from the run's own, for they are only compared;
 *   - workers are put in an order of their own, for they are alike (there are two at most);
 *   - what nothing can refer to any more is left out: operations and commit marks of commands that cannot be
 *     sent or arrive again.
 */
import {
  type Command,
  type Entry,
  type Fence,
  type Item,
  type Kept,
  NONE,
  type Redis,
  type Run,
  type State,
  type Worker,
} from "./model.ts";

export function keyOf(state: State): string {
  const [first, second] = state.workers;
  if (first === undefined || second === undefined) return keyIn(state, IN_ORDER);
  const [shape, other] = [shapeOf(first), shapeOf(second)];
  if (shape !== other) return keyIn(state, shape < other ? IN_ORDER : SWAPPED);
  const isAlike =
    first.at === "idle" && state.saved === undefined && state.kept.every((one) => one === undefined);
  if (isAlike) return keyIn(state, IN_ORDER);
  const [one, two] = [keyIn(state, IN_ORDER), keyIn(state, SWAPPED)];
  return one < two ? one : two;
}

const IN_ORDER = [0, 1];
const SWAPPED = [1, 0];

/** What tells most workers apart, whichever comes first. */
function shapeOf(worker: Worker): string {
  return worker.at === "idle" ? "i" : `${worker.at[2]}${worker.pool}${worker.ticket}`;
}

function keyIn(state: State, order: readonly number[]): string {
  const writer = new KeyWriter(state.redis.run, awaitedIn(state, order), keptIn(state, order));
  writer.redis(state.redis, order);
  if (state.saved !== undefined) {
    writer.text += `S${state.saved.writes}`;
    writer.redis(state.saved.redis, order);
  }
  for (const index of order) {
    const worker = state.workers[index];
    if (worker !== undefined) writer.worker(worker);
    const kept = state.kept[index];
    if (kept !== undefined) writer.kept(kept);
  }
  for (const one of state.reconcilers) {
    writer.text += one.at[0];
    if (one.at === "idle") continue;
    writer.entry(one);
    if (one.at !== "adding") {
      writer.text += one.status[0];
      writer.epoch(one.epoch);
      writer.symbol(one.claim);
      if (one.at === "requeueing") writer.symbol(one.operation);
    }
  }
  for (const one of state.feeders) {
    writer.text += one.at[0];
    if (one.at === "adding") writer.entry(one);
  }
  for (const entry of state.adds) {
    writer.text += "+";
    writer.entry(entry);
  }
  for (const command of state.asks) writer.command(command);
  writer.text += "/";
  for (const command of state.copies) writer.command(command);
  const { left } = state;
  writer.text += `/${left.crash}${left.stall}${left.unanswered}${left.late}${left.lateClaim}${left.flush}${left.backoff}`;
  writer.text += `${left.refusal}${left.cancel}${left.pause}${left.retry}${left.loss}${left.orphan}`;
  return `${writer.text}${state.wasted}${state.usurped}`;
}

/** Commands that may still be sent or arrive again: what they refer to must not be left out. */
function awaitedIn(
  { copies, asks, workers, reconcilers }: State,
  order: readonly number[],
): readonly Command[] {
  const awaited = [...copies, ...asks];
  for (const index of order) {
    const worker = workers[index];
    if (worker?.at === "ending" && worker.commit !== undefined) awaited.push(worker.commit);
  }
  for (const one of reconcilers) if (one.at === "requeueing") awaited.push({ ...one, kind: "requeue" });
  return awaited;
}

function keptIn({ kept }: State, order: readonly number[]): readonly Kept[] {
  return order.flatMap((index) => kept[index] ?? []);
}

class KeyWriter {
  text = "";
  readonly #names: number[] = [];
  readonly #ticket: number;
  readonly #epoch: number;
  readonly #grants: number;
  readonly #awaited: readonly Command[];
  readonly #kept: readonly Kept[];

  constructor({ ticket, epoch, ghost }: Run, awaited: readonly Command[], kept: readonly Kept[]) {
    this.#kept = kept;
    this.#ticket = ticket;
    this.#epoch = epoch;
    this.#grants = ghost.grants;
    this.#awaited = awaited;
  }

  redis({ run, jobs }: Redis, order: readonly number[]): void {
    this.text += `${run.status[0]}${run.status[1]}${run.pool}${run.phase}${run.pausing ? "P" : ""}${run.early ? "E" : ""}`;
    // Before its admission a run is another, whatever its tickets are counted from.
    this.text += `${run.ticket === 0 ? "Z" : ""}${run.place ? "Q" : ""}${run.ghost.admitted ? "a" : ""}`;
    this.number(run.ticket - this.#ticket);
    this.epoch(run.epoch);
    this.symbol(run.claim);
    this.items(run.log);
    this.text += "o";
    let isLeading = true;
    for (const operation of run.operations) {
      const isAwaited = this.#awaited.some((one) => "operation" in one && one.operation === operation);
      if (isAwaited) this.symbol(operation);
      else if (!isLeading) this.text += "_";
      if (isAwaited) isLeading = false;
    }
    const { committed, ghost } = run;
    this.text += ghost.pauseAsked ? "p" : "g";
    this.symbol(ghost.holder);
    this.number(ghost.grants - this.#grants);
    this.number(Math.max(-1, ghost.committedTicketMax - run.ticket));
    for (const one of this.#awaited) {
      const isMarked =
        one.kind === "commit" && committed?.claim === one.claim && committed.ticket === one.ticket;
      const isDone = "operation" in one && ghost.done.includes(one.operation);
      this.text += isMarked || isDone ? "d" : "-";
    }
    for (const one of this.#kept)
      this.text += committed?.claim === one.claim && committed.ticket === one.ticket ? "d" : "-";
    for (const job of jobs) {
      this.text += "j";
      this.entry(job);
      this.text += typeof job.at === "number" ? order.indexOf(job.at) : job.at[0];
    }
  }

  worker(worker: Worker): void {
    this.text += ` ${worker.at[2]}`;
    if (worker.at === "idle") return;
    this.entry(worker);
    switch (worker.at) {
      case "fetched":
        this.symbol(worker.claim);
        return;
      case "session":
        this.epoch(worker.epoch);
        this.symbol(worker.claim);
        this.number(worker.grant - this.#grants);
        this.text += worker.phase;
        this.text += `${worker.told ? "T" : ""}${worker.sent ? "S" : ""}`;
        this.items(worker.view);
        this.symbol(worker.reply.id);
        return;
      case "ending":
        if (worker.commit !== undefined) this.command(worker.commit);
        if (worker.add !== undefined) {
          this.text += "+";
          this.entry(worker.add);
        }
        return;
      case "finishing":
        return;
    }
  }

  kept({ ticket, claim, items }: Kept): void {
    this.text += "k";
    this.number(ticket - this.#ticket);
    this.symbol(claim);
    this.items(items);
  }

  command(command: Command): void {
    this.text += `!${command.kind.slice(0, 3)}`;
    switch (command.kind) {
      case "claim":
        this.entry(command);
        this.symbol(command.claim);
        return;
      case "append":
        this.fence(command);
        this.symbol(command.item.id);
        return;
      case "commit":
        this.fence(command);
        this.entry(command);
        this.text += command.outcome[0];
        for (const item of command.items) this.symbol(item.id);
        return;
      case "requeue":
        this.entry(command);
        this.epoch(command.epoch);
        this.symbol(command.claim);
        this.symbol(command.operation);
        this.text += command.status[0];
        return;
      case "cancel":
      case "pause":
      case "resume":
        this.symbol(command.operation);
        return;
      case "retry":
        this.symbol(command.operation);
        this.epoch(command.epoch);
        this.symbol(command.item.id);
        this.text += command.item.seq;
        return;
      case "add":
        this.entry(command);
        return;
      case "feed":
      case "audit":
        return;
    }
  }

  fence(fence: Fence): void {
    this.number(fence.grant - this.#grants);
    this.symbol(fence.claim);
    this.epoch(fence.epoch);
    this.text += fence.length;
    this.symbol(fence.last);
  }

  items(items: readonly Item[]): void {
    this.text += "[";
    for (const item of items) {
      this.text += `${item.kind[0]}${item.kind[2]}${item.phase}${item.pool}${item.turn}`;
      this.symbol(item.id);
    }
    this.text += "]";
  }

  entry({ pool, ticket }: Entry): void {
    this.text += pool;
    this.number(ticket - this.#ticket);
  }

  epoch(epoch: number): void {
    this.number(epoch - this.#epoch);
  }

  /** One sign, so that neighbours are told apart without separators. */
  number(value: number): void {
    this.text += String.fromCharCode(96 + value);
  }

  symbol(symbol: number): void {
    if (symbol === NONE) {
      this.text += "0";
      return;
    }
    let name = this.#names.indexOf(symbol);
    if (name < 0) name = this.#names.push(symbol) - 1;
    this.text += String.fromCharCode(65 + name);
  }
}
