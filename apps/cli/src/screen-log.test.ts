import { pino } from "pino";
import { expect, test } from "vitest";
import { loggedError } from "./log-error.ts";
import { screenLine, screenLog } from "./screen-log.ts";

/** As they stand on the screen, without the time of day. */
function shown(log: (to: pino.Logger) => void): string[] {
  const texts: string[] = [];
  const destination = screenLog((text) => texts.push(text.replace(/^\d\d:\d\d:\d\d /, "")));
  const serializers = { err: loggedError };
  log(pino({ level: "debug", base: { pid: 1 }, serializers }, destination));
  return texts;
}

test("a request is its method, its route, how it ended and how long it took", () => {
  const one = { reqId: "x", method: "POST", route: "/v1/runs", status: 202, ms: 8 };
  expect(shown((log) => log.info({ ...one, key: "k1" }, "request"))).toEqual([
    "POST /v1/runs 202 8 ms key=k1\n",
  ]);
});

test("what else is said stands with its fields, and a level that is not usual by its name", () => {
  const lines = shown((log) => {
    log.info({ signal: "SIGINT", pools: ["a"] }, "stopping");
    log.warn("Redis does not answer");
    log.debug("detail");
  });
  expect(lines).toEqual([
    'stopping signal=SIGINT pools=["a"]\n',
    "warning Redis does not answer\n",
    "debug detail\n",
  ]);
});

test("a warning says what is wrong with its causes, a fault also where", () => {
  const error = new Error("no file", { cause: new Error("kept in /there") });
  const [warning, fault] = shown((log) => {
    log.warn({ err: error }, "no upload");
    log.error({ err: error }, "a request failed");
  });
  expect(warning).toBe("warning no upload\n  no file: kept in /there\n");
  expect(fault).toMatch(/^error a request failed\n {2}Error: no file\n {6}at /);
});

test("text of others moves no cursor and begins no line of its own", () => {
  const text = screenLine({
    level: 30,
    time: 0,
    msg: "a\u001b[2J\nb",
    name: "\u001b]0;x\u0007y",
    err: { message: "\u001b[1Ac" },
  });
  expect(text.slice(9)).toBe("a b name=y\n  c\n");
});
