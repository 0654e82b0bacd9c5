/** What is answered where no route is: 405 with what the path takes, when another method would do; else 404. */
import { BatonError } from "@baton/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import { openAiProblemOf } from "./answers/openai-problem.ts";
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
    const allow = [...methods].sort().join(", ");
    const problem = problemAt(request.method, path, allow);
    if (allow !== "") reply.header("allow", allow);
    if (OPENAI_PATHS.test(path)) {
      const openAi = openAiProblemOf(problem);
      return reply.code(openAi.status).headers(openAi.headers()).send(openAi.body());
    }
    const { status, body } = problemOf(problem);
    return reply.code(status).send(body);
  });
}

/** Where OpenAI's clients come, which know errors of their own shape. */
const OPENAI_PATHS = /^\/v1\/(chat|responses|models)(\/|$)/;

function problemAt(method: string, path: string, allow: string): BatonError | HttpProblem {
  if (allow !== "") {
    return new HttpProblem("method_not_allowed", 405, `${path} takes no ${method}: use ${allow}`);
  }
  return new BatonError("not_found", `there is no ${method} ${path}: GET /openapi.json lists what there is`);
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
