/** What every app that touches the store needs. Serving models is behind `@baton/worker-app/serve`: it loads much more. */
export { type Environment, readEnvironment, systemIds } from "./environment.ts";
export { CONFIG_NAMES, loadConfig } from "./load-config.ts";
export { openStore, type Store } from "./open-store.ts";
export { stopSignal } from "./stop-signal.ts";
export { VERSION } from "./version.ts";
