/** A fast, well-mixed hash of short texts (FNV-1a, then murmur3's finalizer); not cryptographic. */

/** 32 bits, unsigned. */
export function hash(text: string, salt: number = 0): number {
  let state = (0x811c9dc5 ^ salt) >>> 0;
  for (let index = 0; index < text.length; index += 1) {
    state = Math.imul(state ^ text.charCodeAt(index), 0x01000193);
  }
  return finalize(state);
}

/** Another hash of a hash: a bijection for each salt. */
export function rehash(value: number, salt: number): number {
  return finalize(finalize(value ^ salt) + 0x9e3779b9);
}

function finalize(mixed: number): number {
  let state = mixed;
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return (state ^ (state >>> 16)) >>> 0;
}

/** One more than the largest hash. */
export const HASHES: number = 2 ** 32;
