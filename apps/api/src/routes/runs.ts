/** `/v1/runs`: submit, list, look at, wait for, steer. */
import type { ApiApp, ApiContext } from "../api-context.ts";
import { addListRuns } from "./list-runs.ts";
import { addOneRun } from "./one-run.ts";
import { addRunActs } from "./run-acts.ts";
import { addSubmitRun } from "./submit-run.ts";

export function addRuns(app: ApiApp, context: ApiContext): void {
  addSubmitRun(app, context);
  addListRuns(app, context);
  addOneRun(app, context);
  addRunActs(app, context);
}
