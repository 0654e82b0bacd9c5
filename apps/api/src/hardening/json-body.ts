/**
 * JSON bodies. One that is nested deeper, or says more, than any call needs is refused before it is parsed. Names that
 * would change an object's prototype are refused, too. Of a name that comes twice the last one counts, as everywhere in
 * JavaScript; nobody behind this parser reads the text again, so nobody sees another one.
 *
 * JSON is UTF-8, whatever `charset` says. Bytes that are none would be read as question marks, and a run would be about
 * something that nobody wrote: they are refused.
 */
import { isUtf8 } from "node:buffer";
import { jsonExcess } from "@baton/core";
import type { FastifyRequest } from "fastify";
import type { ApiApp } from "../api-context.ts";
import { HttpProblem } from "../problem.ts";

export function addJsonBodies(app: ApiApp): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>("application/json", { parseAs: "buffer" }, (request, body, done) => {
    // Many clients say of a request without a body that it would have been JSON.
    if (body.length === 0) return done(null);
    if (!isUtf8(body)) return done(new HttpProblem("bad_request", 400, "the body is not valid UTF-8"));
    const text = body.toString();
    const excess = jsonExcess(text);
    if (excess !== undefined) done(new HttpProblem("bad_request", 400, `the body is ${excess}`));
    // It tells `done`, and gives no promise.
    else void parse(request, text, done);
  });
  app.addContentTypeParser("*", (request, _body, done) => {
    // Nor does it matter what kind of nothing it is: `curl -d ''` says a form.
    if (isEmpty(request) || request.is404) return done(null);
    done(new HttpProblem("unsupported_media_type", 415, "send application/json"));
  });
}

function isEmpty({ headers }: FastifyRequest): boolean {
  return headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) === 0;
}
