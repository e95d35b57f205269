/** Bytes that belong to at least one of these stretches of the output; a stretch that ends before it begins is empty. */
export function unionBytes(stretches: readonly { from: number; to: number }[]): number {
  let bytes = 0;
  let counted = 0;
  for (const { from, to } of stretches.toSorted((a, b) => a.from - b.from)) {
    const start = Math.max(from, counted);
    if (to <= start) continue;
    bytes += to - start;
    counted = to;
  }
  return bytes;
}
