/** Where arrows cross there is room to tell them apart. */
import { expect, test } from 'vitest';
import { layOut, type Link } from '../../src/render/layout.ts';

const label = { width: 60, height: 14 };
const box = { width: 80, height: 30 };
const link = (from: number, to: number): Link => ({ from, to, label });

/** Of a diagram from 0 to three boxes, and from each of these to its partners among three more. */
function widthWith(partners: Record<number, number[]>): number {
  const links = [link(0, 1), link(0, 2), link(0, 3)];
  for (const [from, all] of Object.entries(partners)) {
    for (const to of all) links.push(link(Number(from), to));
  }
  const sizes = Array.from({ length: 7 }, () => box);
  return layOut(sizes, links, 0).width;
}

test('columns between which arrows cross are further apart', () => {
  const plain = widthWith({ 1: [4], 2: [5], 3: [6] });
  const crossed = widthWith({ 1: [4, 5, 6], 2: [4, 5, 6], 3: [4, 5, 6] });
  expect(crossed).toBeGreaterThan(plain + 30);
});
