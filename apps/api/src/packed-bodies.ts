/** A packed body would be taken for a broken one, and unpacking has no bound of its own: it is refused as what it is. */
import type { ApiApp } from "./api-context.ts";
import { HttpProblem } from "./problem.ts";

export function refusePackedBodies(app: ApiApp): void {
  app.addHook("onRequest", async ({ headers }, reply) => {
    const encoding = headers["content-encoding"]?.trim().toLowerCase();
    if (encoding === undefined || encoding === "" || encoding === "identity") return;
    reply.header("accept-encoding", "identity");
    throw new HttpProblem(
      "unsupported_media_type",
      415,
      "send the body as it is, without Content-Encoding: nothing is unpacked here",
    );
  });
}
