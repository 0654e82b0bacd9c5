/**
 * Makes a folder and those above it, for this user alone. Node's own way (`recursive`) tries for ever, at the whole speed of a
 * processor, where the system says of a folder that is there that it is not, as below `/proc`.
 */
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** One that is there is left as it is. Throws what the system says: `EACCES`, `ENOTDIR`, `EROFS`, `ENOENT` … */
export async function makeFolder(folder: string): Promise<void> {
  const above = dirname(folder);
  const missing = await makeOne(folder);
  if (missing === undefined) return;
  if (above === folder) throw missing;
  await makeFolder(above);
  // The folder above it is there now, so what is said this time is the answer.
  const still = await makeOne(folder);
  if (still !== undefined) throw still;
}

/** Gives the error when there is nothing to make it in. */
async function makeOne(folder: string): Promise<Error | undefined> {
  try {
    await mkdir(folder, { mode: 0o700 });
    return undefined;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (error instanceof Error && code === "ENOENT") return error;
    // Some systems say of a folder that is there why it could not be made, instead of that it is there.
    if ((await stat(folder).catch(() => undefined))?.isDirectory() === true) return undefined;
    throw error;
  }
}
