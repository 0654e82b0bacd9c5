export { type Environment, readEnvironment, systemIds } from "./environment.ts";
export { loadConfig } from "./load-config.ts";
export { openStore, type Store } from "./open-store.ts";
export { serve, stopSignal } from "./serve.ts";
export { adaptersOf, type RunningWorker, startWorker, VERSION } from "./start-worker.ts";
