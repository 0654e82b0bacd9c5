/** Splits what a pipe delivers into lines, in time that grows with the bytes alone; a line has a bound. */

export interface LineSplitter {
  /** The lines that the chunk completes, or `too_long`, after which there is no going on. */
  add(chunk: Buffer): readonly string[] | "too_long";
}

const LINE_FEED = 10;

export function createLineSplitter(lineBytesMax: number): LineSplitter {
  let open: Buffer[] = [];
  let openBytes = 0;
  return {
    add(chunk) {
      const lines: string[] = [];
      let from = 0;
      for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, from)) {
        const last = chunk.subarray(from, end);
        if (openBytes + last.length > lineBytesMax) return "too_long";
        // Decoded whole, since a character may lie across the border of two chunks.
        lines.push(
          Buffer.concat([...open, last])
            .toString("utf8")
            .replace(/\r$/, ""),
        );
        open = [];
        openBytes = 0;
        from = end + 1;
      }
      const rest = chunk.subarray(from);
      openBytes += rest.length;
      if (openBytes > lineBytesMax) return "too_long";
      if (rest.length > 0) open.push(rest);
      return lines;
    },
  };
}
