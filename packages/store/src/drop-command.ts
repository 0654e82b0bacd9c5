/**
 * The client hangs the command that was refused on its error, with all its arguments: that of a login has the password in it
 * (R9), that of a script what callers and models say. Errors are logged, so they go without it, whoever gets them.
 */
export function dropCommand(error: unknown): void {
  if (!(error instanceof Error)) return;
  Reflect.deleteProperty(error, "command");
  dropCommand(error.cause);
  // Of a cluster none of whose nodes answers.
  if ("lastNodeError" in error) dropCommand(error.lastNodeError);
}
