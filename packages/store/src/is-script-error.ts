/**
 * Whether a script stopped at what it found in Redis, so that one run is at fault, and not the connection, the memory
 * or the server.
 */
export function isScriptError(error: unknown): error is Error {
  if (!(error instanceof Error) || error.name !== "ReplyError") return false;
  return error.message.includes("user_script") && !/^(OOM|MISCONF|READONLY|LOADING|BUSY)/.test(error.message);
}
