/** For commands that go through a file of any size. */
import { setFlagsFromString } from "node:v8";

/**
 * What a line leaves behind is gone at the next collection, but V8 lets its heap grow to four times of what is alive
 * before it looks. It is told to look when a third has come to it, so that memory stays where it was after the first
 * thousand lines. Seen for 100,000 lines: 231 MB instead of 343, in the same time.
 */
export function keepMemoryFlat(): void {
  setFlagsFromString("--heap-growing-percent=30");
}
