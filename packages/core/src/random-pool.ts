/**
 * Randomness by the page: asking the system for a dozen bytes at a time costs more than the bytes. Each byte is
 * given out once.
 */

const PAGE_BYTES = 4_096;

/** A source of random bytes that draws pages from `fill`, which returns so many fresh random bytes. */
export function randomPool(fill: (size: number) => Uint8Array): (size: number) => Uint8Array {
  let page: Uint8Array = new Uint8Array(0);
  let used = 0;
  return (size) => {
    if (size > PAGE_BYTES) return fill(size);
    if (used + size > page.length) {
      page = fill(PAGE_BYTES);
      used = 0;
    }
    used += size;
    return page.subarray(used - size, used);
  };
}
