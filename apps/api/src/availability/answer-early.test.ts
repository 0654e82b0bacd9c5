import { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type FastifyReply, fastify } from "fastify";
import { expect, onTestFinished, test } from "vitest";
import type { ApiApp } from "../api-context.ts";
import { HttpProblem } from "../problem.ts";
import { answerEarly, dropLateErrors, isAnswered } from "./answer-early.ts";

/** What routes say behind the answer that they do not know of. */
const ROUTES: Readonly<Record<string, (reply: FastifyReply, stream: Readable) => unknown>> = {
  "gives a value": () => ({ late: true }),
  "gives nothing": () => undefined,
  fails: () => {
    throw new Error("late");
  },
  sends: (reply) => reply.code(200).header("x-late", "1").send({ late: true }),
  "sends a stream": (reply, stream) => reply.send(stream),
};
const CASES = Object.keys(ROUTES).flatMap((what) => [
  { what, when: "in the same turn" },
  { what, when: "behind it" },
]);

test.each(CASES)("who $what when it was answered, $when, is not heard, and not logged", async (one) => {
  const log: string[] = [];
  const logger = { level: "warn", stream: { write: (line: string) => void log.push(line) } };
  const app = fastify({ logger });
  onTestFinished(() => app.close());
  app.setErrorHandler((error, _request, answer) => answer.code(503).send(String(error)));
  dropLateErrors(app as unknown as ApiApp);
  // In a list, because to await a reply is to wait for its end.
  const came = Promise.withResolvers<readonly [FastifyReply]>();
  const released = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  const stream = new Readable({ read: () => undefined });
  app.get("/", async (_request, reply) => {
    came.resolve([reply]);
    await released.promise;
    try {
      return await ROUTES[one.what]?.(reply, stream);
    } finally {
      done.resolve();
    }
  });
  const url = await app.listen({ port: 0, host: "127.0.0.1" });
  const asked = fetch(`${url}/?key=secret`);
  const [reply] = await came.promise;
  answerEarly(reply, new HttpProblem("shutting_down", 503, "first"));
  expect(isAnswered(reply)).toBe(true);
  answerEarly(reply, new HttpProblem("shutting_down", 503, "second"));
  if (one.when === "behind it") await asked;
  released.resolve();
  await done.promise;
  await nextTurn();
  const { status, headers, body } = await asked.then(async (answer) => ({
    status: answer.status,
    headers: answer.headers,
    body: await answer.text(),
  }));
  expect({ status, late: headers.get("x-late") }).toEqual({ status: 503, late: null });
  expect(body).toContain("first");
  expect(log).toEqual([]);
  expect(stream.destroyed).toBe(one.what === "sends a stream");
});

test("what fails with nobody having answered is answered as ever", async () => {
  const app = fastify();
  onTestFinished(() => app.close());
  dropLateErrors(app as unknown as ApiApp);
  app.get("/", async () => {
    throw new HttpProblem("bad_request", 400, "no");
  });
  const { statusCode, body } = await app.inject("/");
  expect({ statusCode, body }).toEqual({ statusCode: 400, body: expect.stringContaining('"no"') });
});
