import { fastify } from "fastify";
import { expect, test } from "vitest";
import { ofFastify } from "./fastify-errors.ts";
import { problemOf } from "./problem.ts";
import { openRaw } from "./testing/raw-request.ts";

test("a client that leaves within its body is no fault of ours", async () => {
  const failed = Promise.withResolvers<unknown>();
  const app = fastify();
  app.setErrorHandler((error, _request, reply) => {
    failed.resolve(error);
    return reply.send(error);
  });
  app.post("/", async () => "whole");
  const begun = Promise.withResolvers<void>();
  app.addHook("preParsing", async () => begun.resolve());
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  using raw = await openRaw(url);
  const head = [
    "POST / HTTP/1.1",
    "host: localhost",
    "content-type: application/json",
    "content-length: 500",
  ];
  raw.socket.write(`${head.join("\r\n")}\r\n\r\n{"input":`);
  await begun.promise;
  raw.socket.destroy();
  const { status, isFault, body } = problemOf(ofFastify(await failed.promise));
  expect({ status, isFault, code: body.error.code }).toEqual({
    status: 400,
    isFault: false,
    code: "bad_request",
  });
  await app.close();
});

test("a connection of ours that breaks is one", () => {
  const error = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
  expect(problemOf(ofFastify(error))).toMatchObject({ status: 500, isFault: true });
});
