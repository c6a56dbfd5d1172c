/**
 * Where the boxes of a diagram go: columns by their distance from the start, from left to right, with a column for
 * labels between any two. An arrow is a chain of items, one in each column that it passes; what is in a column is
 * ordered so that few arrows cross, and then drawn toward its neighbours.
 */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Both are indices of boxes. */
export interface Link {
  readonly from: number;
  readonly to: number;
  readonly label: Size;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Points are middles. */
export interface Layout extends Size {
  /** As high as the arrows at them need. */
  readonly boxes: readonly (Point & Size)[];
  readonly labels: readonly Point[];
  /** Of each link: it goes on level within a pair, and bends from one pair to the next. */
  readonly paths: readonly (readonly Point[])[];
}

interface Item extends Size {
  readonly column: number;
  readonly near: Item[];
  y: number;
}

/** A link's items: its two boxes, and what is between, the label where it leaves. */
interface Chain {
  readonly from: Item;
  readonly to: Item;
  readonly between: readonly Item[];
}

/** `crossing`: for each of them, up to `crossed` for all. */
const GAP = { column: 40, row: 12, crossing: 6, crossed: 160 };
const MARGIN = 24;
const PORT = 9;
const SWEEPS = 12;
const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, one) => sum + one, 0) / numbers.length;

export function layOut(sizes: readonly Size[], links: readonly Link[], start: number): Layout {
  const distance = distances(sizes.length, links, start);
  const columns: Item[][] = [];
  const put = (column: number, size: Size): Item => {
    const item: Item = { ...size, column, near: [], y: 0 };
    (columns[column] ??= []).push(item);
    return item;
  };
  const ends = links.flatMap((link) => sidesOf(link, distance));
  const boxes = sizes.map((size, index) => {
    const at = (side: number): number =>
      ends.filter((end) => end.box === index && end.side === side).length;
    const height = Math.max(size.height, (Math.max(at(-1), at(1)) + 1) * PORT);
    return put(2 * distance[index]!, { ...size, height });
  });
  const chains = links.map((link) => chainOf(link, boxes, put));
  for (let column = 0; column < columns.length; column += 1) columns[column] ??= [];
  order(columns);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const column of sweep % 2 === 0 ? columns : columns.toReversed()) settle(column);
  }
  return measured(columns, boxes, chains);
}

/** Steps from the start; what cannot be reached from there starts anew. */
function distances(count: number, links: readonly Link[], start: number): number[] {
  const distance: (number | undefined)[] = new Array<undefined>(count).fill(undefined);
  for (const root of [start, ...distance.keys()]) {
    const queue = distance[root] === undefined ? [root] : [];
    distance[root] ??= 0;
    for (const box of queue) {
      for (const { from, to } of links) {
        if (from !== box || distance[to] !== undefined) continue;
        distance[to] = distance[box]! + 1;
        queue.push(to);
      }
    }
  }
  return distance.map((one) => one ?? 0);
}

/** Where a link touches its boxes: 1 at their right, -1 at their left. */
function sidesOf(
  { from, to }: Link,
  distance: readonly number[],
): { readonly box: number; readonly side: 1 | -1 }[] {
  const forth = distance[to]! - distance[from]!;
  return [
    { box: from, side: forth < 0 ? -1 : 1 },
    { box: to, side: forth > 0 ? -1 : 1 },
  ];
}

function chainOf(
  { from: source, to: target, label }: Link,
  boxes: readonly Item[],
  put: (column: number, size: Size) => Item,
): Chain {
  const [from, to] = [boxes[source]!, boxes[target]!];
  const step = to.column < from.column ? -1 : 1;
  const between: Item[] = [];
  let before = from;
  const join = (item: Item): void => {
    before.near.push(item);
    item.near.push(before);
    before = item;
  };
  // To one in the same column, by way of the label at its right.
  const last = to.column === from.column ? from.column + 2 : to.column;
  for (let column = from.column + step; column !== last; column += step) {
    const item = put(column, between.length === 0 ? label : { width: 0, height: 2 });
    between.push(item);
    join(item);
  }
  join(to);
  return { from, to, between };
}

/** Each column by the middle of its neighbours, to and fro; what crosses least is kept. */
function order(columns: Item[][]): void {
  let best = columns.map((column) => [...column]);
  let least = crossings(columns);
  for (let sweep = 0; sweep < SWEEPS && least > 0; sweep += 1) {
    const isForth = sweep % 2 === 0;
    for (const column of isForth ? columns : columns.toReversed()) {
      const place = new Map(columns.flatMap((all) => all.map((item, index) => [item, index])));
      const weight = new Map(
        column.map((item) => {
          const earlier = item.near.filter((one) => one.column < item.column === isForth);
          return [
            item,
            earlier.length === 0 ? place.get(item)! : mean(earlier.map((one) => place.get(one)!)),
          ];
        }),
      );
      column.sort((one, other) => weight.get(one)! - weight.get(other)!);
    }
    const now = crossings(columns);
    if (now >= least) continue;
    least = now;
    best = columns.map((column) => [...column]);
  }
  for (const [index, column] of best.entries()) columns[index] = column;
}

const crossings = (columns: readonly (readonly Item[])[]): number =>
  columns.reduce((sum, column, index) => sum + crossingsOf(column, columns[index + 1] ?? []), 0);

/** Between two columns, `next` at the right of the other. */
function crossingsOf(column: readonly Item[], next: readonly Item[]): number {
  const places = new Map(next.map((item, place) => [item, place]));
  const pairs = column.flatMap((item, place) =>
    item.near.flatMap((one) => (places.has(one) ? [[place, places.get(one)!] as const] : [])),
  );
  return pairs.reduce(
    (sum, [place, other]) =>
      sum + pairs.filter((pair) => pair[0] < place && pair[1] > other).length,
    0,
  );
}

/** Wider where arrows cross: they are told apart by where they come from. */
const gapBetween = (column: readonly Item[], next: readonly Item[]): number =>
  GAP.column + Math.min(GAP.crossed, crossingsOf(column, next) * GAP.crossing);

/** As near to the middle of their neighbours as the order and the gaps allow: neighbours that collide go together. */
function settle(column: readonly Item[]): void {
  const groups: { items: Item[]; height: number; wishes: number[] }[] = [];
  for (const item of column) {
    const wish = item.near.length === 0 ? item.y : mean(item.near.map(({ y }) => y));
    groups.push({ items: [item], height: item.height + GAP.row, wishes: [wish] });
    for (;;) {
      const [upper, lower] = groups.slice(-2);
      if (lower === undefined || upper === undefined) break;
      if (mean(upper.wishes) + (upper.height + lower.height) / 2 <= mean(lower.wishes)) break;
      // The wishes of each are for the middle of its group.
      const wishes = [
        ...upper.wishes.map((one) => one + lower.height / 2),
        ...lower.wishes.map((one) => one - upper.height / 2),
      ];
      const items = [...upper.items, ...lower.items];
      groups.splice(-2, 2, { items, height: upper.height + lower.height, wishes });
    }
  }
  for (const { items, height, wishes } of groups) {
    let top = mean(wishes) - height / 2;
    for (const item of items) {
      item.y = top + (item.height + GAP.row) / 2;
      top += item.height + GAP.row;
    }
  }
}

/** Columns side by side, and the whole moved to where coordinates begin. */
function measured(columns: Item[][], boxes: readonly Item[], chains: readonly Chain[]): Layout {
  const all = columns.flat();
  const top = Math.min(...all.map(({ y, height }) => y - height / 2)) - MARGIN;
  const bottom = Math.max(...all.map(({ y, height }) => y + height / 2)) + MARGIN;
  const edges: { left: number; right: number }[] = [];
  let x = MARGIN + GAP.column;
  for (const [index, column] of columns.entries()) {
    const width = Math.max(0, ...column.map((item) => item.width));
    edges.push({ left: x, right: x + width });
    x += width + gapBetween(column, columns[index + 1] ?? []);
  }
  const middle = (item: Item): Point => {
    const { left, right } = edges[item.column]!;
    return { x: (left + right) / 2, y: item.y - top };
  };
  const ports = portsOf(chains, middle);
  const paths = chains.map(({ from, to, between }, index) => {
    const isBack = to.column < from.column;
    const passed = between.flatMap((item): Point[] => {
      const { left, right } = edges[item.column]!;
      const { y } = middle(item);
      if (to.column === from.column) return [{ x: left, y }];
      return [left, right]
        .map((side) => ({ x: side, y }))
        .sort((a, b) => (isBack ? b.x - a.x : a.x - b.x));
    });
    return [ports[2 * index]!, ...passed, ports[2 * index + 1]!];
  });
  const labels = chains.map(({ from, to, between }) => {
    const label = between[0]!;
    const { x: centre, y } = middle(label);
    // Beside the bow that it belongs to.
    return from.column === to.column
      ? { x: edges[label.column]!.left + label.width / 2, y }
      : { x: centre, y };
  });
  return {
    width: x + MARGIN,
    height: bottom - top,
    boxes: boxes.map((box) => ({ width: box.width, height: box.height, ...middle(box) })),
    labels,
    paths,
  };
}

/** Both ends of each chain: those at one side of a box one below the other, as what they lead to. */
function portsOf(chains: readonly Chain[], middle: (item: Item) => Point): Point[] {
  const ends = chains.flatMap(({ from, to, between }) => [
    { box: from, toward: between[0]!, isLeft: to.column < from.column },
    { box: to, toward: between.at(-1)!, isLeft: to.column > from.column },
  ]);
  return ends.map((end) => {
    const beside = ends
      .filter(({ box, isLeft }) => box === end.box && isLeft === end.isLeft)
      .sort((one, other) => one.toward.y - other.toward.y);
    const { x, y } = middle(end.box);
    const shift = (beside.indexOf(end) - (beside.length - 1) / 2) * PORT;
    return { x: x + ((end.isLeft ? -1 : 1) * end.box.width) / 2, y: y + shift };
  });
}
