import { handoffText, type ModelSettings, type ToolResultPart } from "@baton/core";
import { describe, expect, test } from "vitest";
import {
  CLAUDE,
  call,
  GPT,
  handoff,
  log,
  request,
  result,
  says,
  thinking,
  tool,
  user,
} from "../test-support/items.ts";
import { renderRequest } from "./render-request.ts";

const BUDGET: ModelSettings = { thinking: { budget_tokens: 2_000 } };

/** Messages without their cache marks, which have tests of their own. */
function messagesOf(...args: Parameters<typeof request>): unknown {
  const { body } = renderRequest(request(...args));
  return JSON.parse(
    JSON.stringify(body.messages, (key, value) => (key === "cache_control" ? undefined : value)),
  );
}

const text = (words: string) => ({ type: "text", text: words });
const use = (id: string, name = "look", input: unknown = {}) => ({ type: "tool_use", id, name, input });
const answer = (id: string, content: unknown = "found") => ({
  type: "tool_result",
  tool_use_id: id,
  content,
});
const CLOSING = text("[That turn ended here.]");

test("tools that their caller wants strict go as they are, and it is said once that they are not", () => {
  const inputSchema = { type: "object", properties: { days: { type: "integer", minimum: 1 } } };
  const tools = [tool("look", { strict: true, inputSchema }), tool("map", { strict: true }), tool("own")];
  const { body, dropped } = renderRequest(request(CLAUDE, log(user("hi")), { tools }));
  const loose = renderRequest(
    request(CLAUDE, log(user("hi")), { tools: tools.map(({ strict, ...one }) => one) }),
  );
  expect(body).toEqual(loose.body);
  expect(body.tools?.[0]).toMatchObject({ input_schema: inputSchema });
  expect(body.tools?.some((one) => "strict" in one)).toBe(false);
  expect(dropped.map(({ setting }) => setting)).toEqual(["tools.strict"]);
  expect(loose.dropped).toEqual([]);
});

describe("tool calls", () => {
  test("all results of a turn stand first in the next user message, in the order of the calls", () => {
    const items = log(
      user("hi"),
      says(CLAUDE, "let me look", call("toolu_1"), call("toolu_2", "read", { p: 1 })),
      result("toolu_2", "second"),
      result("toolu_1", "first", { isError: true }),
      user("and now?"),
    );
    expect(messagesOf(CLAUDE, items)).toEqual([
      { role: "user", content: [text("hi")] },
      { role: "assistant", content: [text("let me look"), use("toolu_1"), use("toolu_2", "read", { p: 1 })] },
      {
        role: "user",
        content: [
          { ...answer("toolu_1", "first"), is_error: true },
          answer("toolu_2", "second"),
          text("and now?"),
        ],
      },
    ]);
  });

  test("a call without a result gets an error result", () => {
    expect(messagesOf(CLAUDE, log(user("hi"), says(CLAUDE, call("toolu_1"))))).toContainEqual({
      role: "user",
      content: [{ ...answer("toolu_1", "Error: this call was not run."), is_error: true }],
    });
  });

  test("arguments that were no JSON become an empty object", () => {
    const broken = { ...call("toolu_1"), arguments: { kind: "invalid" as const, raw: '{"a": ' } };
    const items = log(user("hi"), says(CLAUDE, broken as never), result("toolu_1"));
    expect(messagesOf(CLAUDE, items)).toContainEqual({ role: "assistant", content: [use("toolu_1")] });
  });

  test("ids that the API refuses are rewritten, in the call and its result alike, and stay distinct", () => {
    const items = log(user("hi"), says(GPT, call("a:1"), call("a.1")), result("a:1"), result("a.1"));
    const [, assistant, results] = messagesOf(CLAUDE, items) as {
      content: { id: string; tool_use_id: string }[];
    }[];
    const ids = assistant?.content.map((block) => block.id) ?? [];
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(id).toMatch(/^[a-zA-Z0-9_-]+$/);
    expect(results?.content.map((block) => block.tool_use_id)).toEqual(ids);
  });

  test("an image in a result goes back as an image, and a result of nothing says so", () => {
    const content: ToolResultPart["content"] = [
      { type: "text", text: "here" },
      { type: "file", mediaType: "image/png", source: { kind: "base64", data: "AA==" } },
    ];
    const items = log(
      user("hi"),
      says(CLAUDE, call("t1"), call("t2")),
      result("t1", "", { content }),
      result("t2", ""),
    );
    expect(messagesOf(CLAUDE, items)).toContainEqual({
      role: "user",
      content: [
        answer("t1", [
          text("here"),
          { type: "image", source: { type: "base64", media_type: "image/png", data: "AA==" } },
        ]),
        answer("t2", "(no output)"),
      ],
    });
  });

  test("calls of the past keep their tools defined when the phase has none", () => {
    const items = log(user("hi"), says(GPT, call("c1", "gone")), result("c1"), handoff(GPT, CLAUDE));
    const { body } = renderRequest(request(CLAUDE, items, { tools: [] }));
    expect(body.tools).toMatchObject([{ name: "gone", input_schema: { type: "object" } }]);
    expect(body.tool_choice).toEqual({ type: "none" });
  });
});

describe("thinking", () => {
  const open = log(user("hi"), says(CLAUDE, thinking("hm"), "so", call("t1")), result("t1"));

  test("goes back word for word within the model's own tool loop", () => {
    expect(messagesOf(CLAUDE, open, { settings: BUDGET })).toContainEqual({
      role: "assistant",
      content: [{ type: "thinking", thinking: "hm", signature: "signed:hm" }, text("so"), use("t1")],
    });
  });

  test("that was redacted goes back as it came", () => {
    const block = { type: "redacted_thinking", data: "sealed" };
    const items = log(
      user("hi"),
      says(CLAUDE, { type: "reasoning", text: "", native: block }, call("t1")),
      result("t1"),
    );
    expect(messagesOf(CLAUDE, items, { settings: BUDGET })).toContainEqual({
      role: "assistant",
      content: [block, use("t1")],
    });
  });

  test("without a signature is not sent, and never becomes text", () => {
    const items = log(user("hi"), says(CLAUDE, { type: "reasoning", text: "secret" }, "so"), user("and?"));
    expect(JSON.stringify(messagesOf(CLAUDE, items))).not.toContain("secret");
  });

  test("is dropped whole at a model change, also when control comes back", () => {
    const items = log(
      user("hi"),
      says(CLAUDE, thinking("old"), call("t1", "transfer_to_gpt")),
      result("t1"),
      handoff(CLAUDE, GPT),
      says(GPT, "mine"),
      handoff(GPT, CLAUDE),
    );
    expect(JSON.stringify(messagesOf(CLAUDE, items, { settings: BUDGET }))).not.toContain("old");
  });

  test("never ends an assistant message", () => {
    const items = log(user("hi"), says(CLAUDE, "so", thinking("cut")), user("and?"));
    expect(messagesOf(CLAUDE, items)).toContainEqual({ role: "assistant", content: [text("so")] });
  });

  test("that is turned off does not go back", () => {
    expect(JSON.stringify(messagesOf(CLAUDE, open, { settings: { thinking: "off" } }))).not.toContain("hm");
  });

  test("stays off until the tool calls under way are done, when they began without it", () => {
    const items = log(user("hi"), says(CLAUDE, call("t1")), result("t1"));
    const rendered = renderRequest(request(CLAUDE, items, { settings: BUDGET }));
    expect(rendered.body.thinking).toBeUndefined();
    expect(rendered.dropped).toMatchObject([{ setting: "thinking" }]);
    const next = renderRequest(
      request(CLAUDE, log(...items, says(CLAUDE, "done"), user("more")), { settings: BUDGET }),
    );
    expect(next.body.thinking).toEqual({ type: "enabled", budget_tokens: 2_000 });
  });
});

describe("another model's tool round", () => {
  const round = [user("hi"), says(GPT, call("c1", "transfer_to_claude")), result("c1", "ok")];

  test("is a call and its result, closed by a line of text before the brief", () => {
    const brief = handoff(GPT, CLAUDE, "write it up");
    const items = log(...round, brief);
    expect(messagesOf(CLAUDE, items, { settings: BUDGET })).toEqual([
      { role: "user", content: [text("hi")] },
      { role: "assistant", content: [use("c1", "transfer_to_claude")] },
      { role: "user", content: [answer("c1", "ok")] },
      { role: "assistant", content: [CLOSING] },
      {
        role: "user",
        content: [
          text(handoffText({ from: GPT, to: CLAUDE, reason: "it is better at this", brief: "write it up" })),
        ],
      },
    ]);
    expect(renderRequest(request(CLAUDE, items, { settings: BUDGET })).body.thinking).toMatchObject({
      type: "enabled",
    });
  });

  test("is closed too when no brief follows, at the end and before the model's own turn", () => {
    const closing = [
      { role: "assistant", content: [CLOSING] },
      { role: "user", content: [text("Continue.")] },
    ];
    const before = messagesOf(CLAUDE, log(...round)) as unknown[];
    expect(before.slice(-2)).toEqual(closing);
    const after = messagesOf(CLAUDE, log(...round, says(CLAUDE, call("t1")), result("t1"))) as unknown[];
    expect(after.slice(0, before.length)).toEqual(before);
  });
});

describe("order", () => {
  test("messages of one role are joined, blank ones left out", () => {
    expect(messagesOf(CLAUDE, log(user("a"), user(" \n"), user("b", "c")))).toEqual([
      { role: "user", content: [text("a"), text("b"), text("c")] },
    ]);
  });

  test("the request never ends with the assistant, and begins with the user", () => {
    expect(messagesOf(CLAUDE, log(says(GPT, "hello")))).toEqual([
      { role: "user", content: [text("Begin.")] },
      { role: "assistant", content: [text("hello")] },
      { role: "user", content: [text("Continue.")] },
    ]);
  });

  test("a turn that the server paused goes back as it is, and the continuation joins it", () => {
    const search = { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { q: "x" } };
    const found = { type: "web_search_tool_result", tool_use_id: "srvtoolu_1", content: [] };
    const paused = {
      ...says(CLAUDE, "searching", { type: "reasoning", text: "", native: search }),
      stopReason: "pause_turn" as const,
    };
    const items = log(user("hi"), paused);
    expect(messagesOf(CLAUDE, items)).toEqual([
      { role: "user", content: [text("hi")] },
      { role: "assistant", content: [text("searching"), search] },
    ]);
    const continued = says(CLAUDE, { type: "reasoning", text: "", native: found }, "it is so");
    expect(messagesOf(CLAUDE, log(user("hi"), paused, continued, user("thanks")))).toEqual([
      { role: "user", content: [text("hi")] },
      { role: "assistant", content: [text("searching"), search, found, text("it is so")] },
      { role: "user", content: [text("thanks")] },
    ]);
    expect(messagesOf(CLAUDE, log(user("hi"), paused, user("stop that")))).toContainEqual({
      role: "assistant",
      content: [text("searching")],
    });
  });

  test("a pause without a tool of the server is followed by a user message", () => {
    const paused = { ...says(CLAUDE, "so far"), stopReason: "pause_turn" as const };
    expect(messagesOf(CLAUDE, log(user("hi"), paused))).toContainEqual({
      role: "user",
      content: [text("Continue.")],
    });
  });

  test("control items and markers are not shown", () => {
    const items = log(
      user("hi"),
      { role: "control", parts: [{ type: "record", act: "retry", detail: { by: "me" } }] },
      { role: "control", parts: [{ type: "tool_started", callId: "t1" }] },
    );
    expect(messagesOf(CLAUDE, items)).toEqual([{ role: "user", content: [text("hi")] }]);
  });
});

describe("files", () => {
  test("images and PDFs take the API's forms, by data and by URL; the rest becomes a note", () => {
    const base64 = { kind: "base64", data: "AA==" } as const;
    const items = log({
      role: "user",
      parts: [
        { type: "file", mediaType: "image/jpg", source: base64 },
        { type: "file", mediaType: "image/*", source: { kind: "url", url: "https://x.test/a.png" } },
        { type: "file", mediaType: "application/pdf", source: base64, name: "a.pdf" },
        { type: "file", mediaType: "application/pdf", source: { kind: "url", url: "https://x.test/a.pdf" } },
        { type: "file", mediaType: "text/csv", source: { kind: "base64", data: "YSxi" }, name: "t.csv" },
        { type: "file", mediaType: "audio/wav", source: base64, name: "a.wav" },
      ],
    });
    expect(messagesOf(CLAUDE, items)).toEqual([
      {
        role: "user",
        content: [
          { type: "image", source: { type: "base64", media_type: "image/jpeg", data: "AA==" } },
          { type: "image", source: { type: "url", url: "https://x.test/a.png" } },
          {
            type: "document",
            source: { type: "base64", media_type: "application/pdf", data: "AA==" },
            title: "a.pdf",
          },
          { type: "document", source: { type: "url", url: "https://x.test/a.pdf" }, title: "document.pdf" },
          text('File "t.csv":\na,b'),
          text('[A file "a.wav" (audio/wav) stood here; it is of a kind that this model does not take.]'),
        ],
      },
    ]);
  });

  test("a file that a model made is a note in its message", () => {
    const made = {
      type: "file",
      mediaType: "application/pdf",
      source: { kind: "base64", data: "AA==" },
    } as const;
    const [, assistant] = messagesOf(CLAUDE, log(user("hi"), says(GPT, made), user("ok"))) as {
      content: unknown[];
    }[];
    expect(assistant?.content).toMatchObject([{ type: "text" }]);
  });
});

describe("cache marks", () => {
  test("stand on the last tool, the system text and the last two user messages: four at most", () => {
    const items = log(user("a"), says(CLAUDE, "b"), user("c"), says(CLAUDE, call("t1")), result("t1"));
    const { body } = renderRequest(request(CLAUDE, items, { tools: [tool("look"), tool("read")] }));
    const mark = { cache_control: { type: "ephemeral" } };
    expect(body.tools?.map((each) => "cache_control" in each)).toEqual([false, true]);
    expect(body.system).toEqual([{ ...text("Be brief."), ...mark }]);
    expect(body.messages.map((message) => JSON.stringify(message).includes("cache_control"))).toEqual([
      false,
      false,
      true,
      false,
      true,
    ]);
    expect(body.messages[4]?.content).toEqual([{ ...answer("t1"), ...mark }]);
  });
});
