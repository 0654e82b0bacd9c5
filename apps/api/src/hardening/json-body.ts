/**
 * JSON bodies. One that is nested deeper, or says more, than any call needs is refused before it is parsed. Names that
 * would change an object's prototype are refused, too. Of a name that comes twice the last one counts, as everywhere in
 * JavaScript; nobody behind this parser reads the text again, so nobody sees another one.
 */
import { jsonExcess } from "@baton/core";
import type { ApiApp } from "../api-context.ts";
import { HttpProblem } from "../problem.ts";

export function addJsonBodies(app: ApiApp): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser<string>("application/json", { parseAs: "string" }, (request, body, done) => {
    // Many clients say of a request without a body that it would have been JSON.
    if (body === "") return done(null);
    const excess = jsonExcess(body);
    if (excess !== undefined) done(new HttpProblem("bad_request", 400, `the body is ${excess}`));
    // It tells `done`, and gives no promise.
    else void parse(request, body, done);
  });
}
