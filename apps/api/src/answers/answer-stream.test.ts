import {
  type Item,
  modelIdSchema,
  NO_USAGE,
  type Part,
  type RunEvent,
  runSchema,
  type StopReason,
} from "@baton/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AnswerEvent, AnswerStream, HELD_CHARS_MAX } from "./answer-stream.ts";

const gpt = modelIdSchema.parse("openai/gpt-5.2");
const claude = modelIdSchema.parse("anthropic/claude-opus-4-5");
const at = { epoch: 1, phase: 0 };
const long = "word ".repeat(HELD_CHARS_MAX / 4);

describe("a run of one model without tools", () => {
  test("sends text as it comes, and only what is left at the end of the turn", async () => {
    const log = [reply("Hello there.")];
    const stream = open(log);
    expect(await stream.told(said("Hel"))).toEqual(["Hel"]);
    expect(await stream.told(said("lo"))).toEqual(["lo"]);
    expect(await stream.told(turn(0))).toEqual([" there."]);
  });

  test("an attempt that says the same again sends nothing until it says something new", async () => {
    const stream = open([reply("Hello there.")]);
    await stream.told(said("Hello"));
    expect(await stream.told({ type: "withdrawn", ...at, model: gpt })).toEqual([]);
    expect(await stream.told(said("Hel"))).toEqual([]);
    expect(await stream.told(said("lo"))).toEqual([]);
    expect(await stream.told(said(" the"))).toEqual([" the"]);
    expect(await stream.told(turn(0))).toEqual(["re."]);
  });

  test("an attempt of a new claim that runs past what was sent sends the rest in one piece", async () => {
    const stream = open([reply("Hello there.")]);
    await stream.told(said("Hello"));
    expect(await stream.told(claimed(gpt))).toEqual([]);
    expect(await stream.told(said("Hello there"))).toEqual([" there"]);
  });

  test("an attempt that says something else voids what was sent, and begins a paragraph for those who do not know", async () => {
    const stream = open([reply("Good day.")]);
    await stream.told(said("Hello"));
    await stream.told(claimed(gpt));
    expect(await stream.told(said("Good"))).toEqual(["\n\n", -7, "Good"]);
    expect(await stream.told(turn(0))).toEqual([" day."]);
    expect(stream.kept()).toBe("Good day.");
    expect(stream.appended()).toBe("Hello\n\nGood day.");
  });

  test("an attempt that ends before what was sent voids it", async () => {
    const stream = open([reply("Hel")]);
    await stream.told(said("Hello"));
    await stream.told(claimed(gpt));
    await stream.told(said("Hel"));
    await stream.told(turn(0));
    expect(stream.kept()).toBe("Hel");
  });

  test("two attempts that are lost one after the other leave the text that was written", async () => {
    const stream = open([reply("The third attempt.")]);
    await stream.told(said("First"));
    await stream.told(claimed(gpt));
    await stream.told(said("Second"));
    await stream.told(claimed(gpt));
    await stream.told(said("The third"));
    await stream.told(turn(0));
    expect(stream.kept()).toBe("The third attempt.");
  });
});

test("a pair of units that comes in two pieces is sent in one, as text and as reasoning", async () => {
  const stream = open([reply("So 😀!")]);
  expect(await stream.told(said("So \ud83d"))).toEqual(["So "]);
  expect(await stream.told(said("\ude00"))).toEqual(["😀"]);
  expect(await stream.told(turn(0))).toEqual(["!"]);
  expect(await stream.told(said("\ud83d"))).toEqual([]);
  await stream.told(claimed(gpt));
  expect(await stream.told(said("\ud83d"))).toEqual([]);
  expect(await stream.told(said("\ude01"))).toEqual(["\n\n😁"]);
  expect(await stream.told(thought("\ud83d"))).toEqual([]);
  expect(await stream.told(thought("\ude00"))).toEqual(["(😀)"]);
});

test("another face of the same first half voids the first one whole", async () => {
  const stream = open([reply("😁")]);
  await stream.told(said("😀"));
  await stream.told(claimed(gpt));
  await stream.told(said("\ud83d"));
  await stream.told(said("\ude01"));
  await stream.told(turn(0));
  expect(stream.kept()).toBe("😁");
  expect(stream.appended()).toBe("😀\n\n😁");
});

test("half of a character in the middle of a text is sent as the log has it, and voids nothing", async () => {
  const stream = open([reply("a \ufffd b")]);
  expect(await stream.told(said("a \ud83d b"))).toEqual(["a \ufffd b"]);
  expect(await stream.told(turn(0))).toEqual([]);
});

test("whatever becomes of the attempts, readers keep the answer, and no pair is torn", async () => {
  const attempt = fc.record({ words: words(), chars: fc.nat(20), pieces: fc.nat(6) });
  await fc.assert(
    fc.asyncProperty(fc.array(attempt, { maxLength: 4 }), words(), async (attempts, final) => {
      const stream = open([reply(final)]);
      for (const { words: other, chars, pieces } of attempts) {
        // Half of the attempts begin as the last one will.
        const text = (pieces % 2 === 0 ? final : other).slice(0, chars);
        const size = Math.max(1, Math.ceil(text.length / (pieces + 1)));
        for (let from = 0; from < text.length; from += size) {
          await stream.told(said(text.slice(from, from + size)));
        }
        if (pieces === 3) await stream.told(snapshot([], text));
        if (pieces === 4) await stream.told({ ...snapshot([], text.slice(3)), partialCut: true });
        await stream.told(claimed(gpt));
      }
      await stream.told(turn(0));
      expect(stream.kept()).toBe(final);
      const texts = stream.events.flatMap((event) => (event.kind === "text" ? [event.text] : []));
      expect(texts.filter((text) => !text.isWellFormed())).toEqual([]);
    }),
    { seed: 5, numRuns: 300 },
  );
});

describe("a run whose turns can be followed by others", () => {
  test("tells short words before a call as reasoning, and the answer as content", async () => {
    const log = [reply("Let me look.", [toolCall("search")]), reply("It is so.")];
    const stream = open(log, { goesOn: true });
    expect(await stream.told(said("Let me"))).toEqual([]);
    expect(await stream.told(turn(0))).toEqual(["(Let me look.)"]);
    expect(await stream.told(said("It is"))).toEqual([]);
    expect(await stream.told(turn(1))).toEqual(["It is so."]);
  });

  test("sends a long text as soon as it is one, with what was held in front", async () => {
    const stream = open([reply(long)], { goesOn: true });
    expect(await stream.told(said("word "))).toEqual([]);
    expect(await stream.told(said(long.slice(5)))).toEqual([long]);
    expect(await stream.told(turn(0))).toEqual([]);
  });

  test("begins a paragraph behind a long text that turned out not to be the answer", async () => {
    const stream = open([reply(long, [toolCall("search")]), reply("So.")], { goesOn: true });
    await stream.told(said(long));
    expect(await stream.told(turn(0))).toEqual([]);
    expect(await stream.told(turn(1))).toEqual(["\n\nSo."]);
  });

  test("what the first model says before it hands off is no content, and the second one's is", async () => {
    const log = [reply("Over to you.", [toolCall("transfer_to_x")]), reply("Here.", [], claude)];
    const stream = open(log, { goesOn: true });
    await stream.told(turn(0));
    await stream.told(claimed(claude));
    await stream.told(said("Her"));
    await stream.told(turn(1));
    expect(stream.appended()).toBe("Here.");
    expect(stream.events.at(-1)?.model).toBe(claude);
  });
});

test("calls of the caller's own functions come behind the text of their turn, which is content", async () => {
  const stream = open([reply("I ask you.", [toolCall("mine")])], { goesOn: true });
  expect(await stream.told(turn(0))).toEqual(["I ask you.", ["mine"]]);
});

test("text that is of use as a whole only is sent when its turn is written, and never taken back", async () => {
  const stream = open([reply('{"a":1}')], { whole: true });
  expect(await stream.told(said('{"a"'))).toEqual([]);
  await stream.told(claimed(gpt));
  expect(await stream.told(said('{"b"'))).toEqual([]);
  expect(await stream.told(turn(0))).toEqual(['{"a":1}']);
});

describe("a snapshot", () => {
  test("that does not know the beginning of the text sends nothing of it until it is written", async () => {
    const stream = open([reply("The whole text.")]);
    expect(await stream.told({ ...snapshot([], "whole"), partialCut: true })).toEqual([]);
    expect(await stream.told(said(" text"))).toEqual([]);
    expect(await stream.told(turn(0))).toEqual(["The whole text."]);
  });

  test("that has lost the beginning of a text takes nothing back of what was sent of it", async () => {
    const stream = open([reply("The whole text.")]);
    await stream.told(said("The w"));
    expect(await stream.told({ ...snapshot([], "ole te"), partialCut: true })).toEqual([]);
    expect(await stream.told(said("xt"))).toEqual([]);
    expect(await stream.told(turn(0))).toEqual(["hole text."]);
  });

  test("that has lost the beginning of an attempt which breaks off goes on with the next one's text", async () => {
    const stream = open([reply("Another.")]);
    await stream.told({ ...snapshot([], "dle"), partialCut: true });
    await stream.told({ type: "withdrawn", ...at, model: gpt });
    expect(await stream.told(said("Ano"))).toEqual(["Ano"]);
  });

  test("of a run that was retried behind a reply tells the reply that followed it alone", async () => {
    const refused = reply("I will not.", [], gpt, "refusal");
    const filtered = reply("The", [], gpt, "content_filter");
    const stream = open([]);
    await stream.told(snapshot([refused, filtered, reply("The answer.")], ""));
    expect(stream.appended()).toBe("The answer.");
  });

  test("does not tell a refusal as an answer", async () => {
    const stream = open([]);
    expect(await stream.told(snapshot([reply("I will not.", [], gpt, "refusal")], ""))).toEqual([]);
  });

  test("tells what was said so far, and watching goes on from there", async () => {
    const log = [reply("Let me look.", [toolCall("search")]), reply("It is so.")];
    const stream = open(log, { goesOn: false });
    expect(await stream.told(snapshot(log.slice(0, 1), "It "))).toEqual(["(Let me look.)", "It "]);
    expect(await stream.told(said("is"))).toEqual(["is"]);
    expect(await stream.told(turn(0))).toEqual([]);
    expect(await stream.told(turn(1))).toEqual([" so."]);
  });

  test("in the middle tells nothing twice", async () => {
    const log = [reply("One."), reply("Two.")];
    const stream = open(log);
    await stream.told(said("One"));
    expect(await stream.told(snapshot([], "One. T"))).toEqual([". T"]);
    expect(await stream.told(snapshot(log.slice(0, 1), ""))).toEqual(["\n\n", -8, "One."]);
    expect(stream.kept()).toBe("One.");
  });

  test("of a run that goes on from another's conversation does not tell that again", async () => {
    const log = [reply("Old."), reply("New.")];
    const stream = open(log, { forked: 1 });
    expect(await stream.told(snapshot(log, ""))).toEqual(["New."]);
  });
});

interface Opened {
  /** What an event makes: text, `(reasoning)`, minus so many characters, names of calls. */
  told(event: RunEvent): Promise<readonly unknown[]>;
  readonly events: AnswerEvent[];
  /** What a reader has who takes void text away. */
  kept(): string;
  /** What a reader has who only appends. */
  appended(): string;
}

function open(log: readonly Item[], { goesOn = false, whole = false, forked = 0 } = {}): Opened {
  const placed = log.map((item, seq) => ({ ...item, seq }));
  const stream = new AnswerStream({
    run: { model: gpt, ...(forked === 0 ? {} : { forkedFrom: { run: runId, items: forked } }) },
    clientTools: new Set(["mine"]),
    goesOn,
    whole,
    readItem: async (seq) => placed[seq],
  });
  const events: AnswerEvent[] = [];
  const content = (): string[] => events.flatMap((one) => (one.kind === "text" ? [one.text] : []));
  return {
    events,
    async told(event) {
      const placedEvent =
        event.type === "snapshot"
          ? { ...event, items: event.items.map((item, seq) => ({ ...item, seq })) }
          : event;
      const made = await stream.onEvent(placedEvent);
      events.push(...made);
      return made.map(shown);
    },
    kept() {
      let text = "";
      for (const one of events) {
        if (one.kind === "text") text += one.text;
        if (one.kind === "withdrawn") text = text.slice(0, text.length - one.chars);
      }
      return text;
    },
    appended: () => content().join(""),
  };
}

function shown(event: AnswerEvent): unknown {
  switch (event.kind) {
    case "text":
      return event.text;
    case "reasoning":
      return `(${event.text})`;
    case "withdrawn":
      return -event.chars;
    case "calls":
      return event.calls.map(({ name }) => name);
    case "ran":
      return `ran ${event.call.name}`;
    case "passed":
      return "passed";
  }
}

const run = runSchema.parse({
  ...{ id: `r_0_${"0".repeat(26)}`, status: "running", pausing: false, model: gpt, ticket: 1, epoch: 1 },
  ...{
    items: 0,
    turns: 0,
    handoffs: 0,
    takeovers: 0,
    createdAt: 0,
    updatedAt: 0,
    usage: NO_USAGE,
    phases: [],
  },
});
const { id: runId } = run;

/** Texts that begin alike, with pairs of units in them. */
function words(): fc.Arbitrary<string> {
  return fc
    .array(fc.constantFrom("a", "b", "😀", "😁", "word ", "\n\n"), { minLength: 1, maxLength: 12 })
    .map((pieces) => pieces.join(""));
}

function thought(text: string): RunEvent {
  return { type: "reasoning", ...at, text };
}

function said(text: string): RunEvent {
  return { type: "text", ...at, text };
}

function turn(item: number): RunEvent {
  return { type: "turn", ...at, model: gpt, item, stopReason: "end", usage: NO_USAGE };
}

function claimed(model: typeof gpt): RunEvent {
  return { type: "phase", ...at, model, attempt: 2, takeover: true };
}

function snapshot(items: readonly Item[], partialText: string) {
  return { type: "snapshot" as const, ...at, run, items: [...items], partialText };
}

function reply(text: string, calls: readonly Part[] = [], model = gpt, stopReason: StopReason = "end"): Item {
  return {
    ...({ v: 1, seq: 0, phase: 0, epoch: 1, at: 0, role: "assistant" } as const),
    parts: [{ type: "text", text }, ...calls],
    origin: { provider: "x", api: "openai-chat", model },
    stopReason,
  };
}

function toolCall(name: string): Part {
  return { type: "tool_call", callId: name, name, arguments: { kind: "object", value: {} } };
}
