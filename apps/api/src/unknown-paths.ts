/** What is answered where no route is: 405 with what the path takes, when another method would do; else 404. */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { ApiApp } from "./api-context.ts";
import { HttpProblem, problemOf } from "./problem.ts";

/** To be called before routes are added. */
export function answerUnknownPaths(app: ApiApp): void {
  const routes: { readonly methods: readonly string[]; readonly pattern: readonly string[] }[] = [];
  app.addHook("onRoute", ({ method, url }) => {
    // What answers preflights takes every path.
    const methods = [method].flat().filter((one) => one !== "OPTIONS");
    if (methods.length > 0) routes.push({ methods, pattern: url.split("/") });
  });
  app.setNotFoundHandler((request: FastifyRequest, reply: FastifyReply) => {
    const [path = ""] = request.originalUrl.split("?", 1);
    const segments = (request.url.split("?", 1)[0] ?? "").split("/");
    const methods = new Set(
      routes.filter(({ pattern }) => isAt(pattern, segments)).flatMap((route) => route.methods),
    );
    if (methods.size === 0) {
      const message = `there is no ${request.method} ${path}: GET /openapi.json lists what there is`;
      return reply.code(404).send({ error: { code: "not_found", message } });
    }
    const allow = [...methods].sort().join(", ");
    const message = `${path} takes no ${request.method}: use ${allow}`;
    const { status, body } = problemOf(new HttpProblem("method_not_allowed", 405, message));
    return reply.code(status).header("allow", allow).send(body);
  });
}

function isAt(pattern: readonly string[], segments: readonly string[]): boolean {
  if (pattern.at(-1) === "*") {
    return (
      segments.length >= pattern.length && isAt(pattern.slice(0, -1), segments.slice(0, pattern.length - 1))
    );
  }
  return (
    pattern.length === segments.length &&
    pattern.every((part, place) => (part.startsWith(":") ? segments[place] !== "" : part === segments[place]))
  );
}
