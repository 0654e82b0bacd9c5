/** The two pools of the crash tests; every worker process serves both. */
export const POOLS = ["crash/a", "crash/b"] as const;
