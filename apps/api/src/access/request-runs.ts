/**
 * The runs and batches that a request may act on, and how: those of its principal's namespace, within the bounds of its key,
 * as long as that is one, and with files from public places alone. Every route, and whatever else submits over HTTP, goes
 * through here.
 */
import type { RunService } from "@baton/producer";
import type { FileUrlGuard } from "../hardening/file-urls.ts";
import { boundedRuns, type SpaceLedger } from "./bounded-runs.ts";
import { keyEnded } from "./open-answers.ts";
import type { Principal } from "./principal.ts";
import { replaceMethods } from "./replace-methods.ts";
import { scopedRuns } from "./scoped-runs.ts";
import { Turns } from "./turns.ts";

export interface RequestRunsOptions {
  readonly service: RunService;
  readonly ledger: SpaceLedger;
  /** Absent: files may come from anywhere. */
  readonly files: FileUrlGuard | undefined;
  /** Whether a key still opens the API. */
  readonly isKey: (keyId: string) => boolean;
}

export function requestRuns({
  service,
  ledger,
  files,
  isKey,
}: RequestRunsOptions): (request: { readonly principal: Principal }) => RunService {
  const turns = new Turns();
  return ({ principal }) => {
    const { keyId } = principal;
    const bounded = boundedRuns(scopedRuns(service, principal), principal, ledger, turns);
    const own = keyId === undefined ? bounded : whileKnown(bounded, () => isKey(keyId));
    return files === undefined ? own : withPublicFiles(own, files);
  };
}

type Lines = Parameters<RunService["submitBatch"]>[0];
type Checked = Lines extends AsyncIterable<infer Line> ? AsyncGenerator<Line, void, void> : never;

/** What is done to many goes on though its caller has left: a key that ends meanwhile ends that, too. */
function whileKnown(service: RunService, isKnown: () => boolean): RunService {
  async function* known<One>(many: AsyncIterable<One>): AsyncGenerator<One, void, void> {
    for await (const one of many) {
      if (!isKnown()) throw keyEnded();
      yield one;
    }
  }
  return replaceMethods(service, {
    submitBatch: (lines, ...rest) => service.submitBatch(known(lines), ...rest),
    changeBatch: (...args) => known(service.changeBatch(...args)),
    cancelBatch: (...args) => known(service.cancelBatch(...args)),
    retryBatch: (...args) => known(service.retryBatch(...args)),
  });
}

function withPublicFiles(service: RunService, files: FileUrlGuard): RunService {
  async function* checked(lines: Lines): Checked {
    for await (const line of lines) {
      await files.check(line.spec);
      yield line;
    }
  }
  return replaceMethods(service, {
    async submit(spec, ...rest) {
      await files.check(spec);
      return service.submit(spec, ...rest);
    },
    async input(id, value) {
      await files.check(value);
      return service.input(id, value);
    },
    submitBatch: (lines, ...rest) => service.submitBatch(checked(lines), ...rest),
  });
}
