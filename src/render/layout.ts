/**
 * Layout of a diagram from left to right, by dagre: columns of boxes, the start first, with a column for labels
 * between any two. A function of its arguments: the same diagram has the same picture.
 */
import { Graph, layout } from '@dagrejs/dagre';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** `from` and `to` are indices of boxes. A box has at most two loops: links to itself. */
export interface Link {
  readonly from: number;
  readonly to: number;
  readonly label: Size;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Boxes and labels are given by their middles. */
export interface DiagramLayout extends Size {
  /** As high as the links at them need. */
  readonly boxes: readonly (Point & Size)[];
  readonly labels: readonly Point[];
  /** One per link, horizontal at each point. A loop has three points, the second at its label. */
  readonly paths: readonly (readonly Point[])[];
}

/** Nodes by index of the box; edges by index of the link, none for loops. dagre writes positions into them. */
interface Placed {
  readonly size: Size;
  readonly nodes: readonly (Size & Point)[];
  readonly edges: ReadonlyMap<number, Size & Point & { readonly points: readonly Point[] }>;
}

/** The horizontal margin has room for the arrow to the start. */
const LAYOUT_OPTIONS = {
  rankdir: 'LR',
  nodesep: 12,
  edgesep: 12,
  ranksep: 64,
  marginx: 64,
  marginy: 24,
};
/** Distance of two links at one side of a box. */
const PORT_DISTANCE = 9;
/** Distance of a box and the label of a loop. */
const LOOP_DISTANCE = 14;

export function layOut(
  sizes: readonly Size[],
  links: readonly Link[],
  start: number,
): DiagramLayout {
  const heights = sizes.map(({ height }, index) => {
    const others = links.filter(({ from, to }) => from !== to);
    const leaving = others.filter(({ from }) => from === index).length;
    const arriving = others.filter(({ to }) => to === index).length;
    return Math.max(height, (Math.max(leaving, arriving) + 1) * PORT_DISTANCE);
  });
  const boxSizes = sizes.map(({ width }, index) => ({ width, height: heights[index]! }));
  const { size, nodes, edges } = placed(boxSizes, links, start);
  const boxes = nodes.map(({ x, y }, index) => ({ ...boxSizes[index]!, x, y }));
  const labels = links.map((link, index): Point => {
    const edge = edges.get(index);
    if (edge !== undefined) return edge;
    const { x, y, height } = boxes[link.from]!;
    const distance = height / 2 + LOOP_DISTANCE + link.label.height / 2;
    return { x, y: loopsAt(links, link.from)[0] === link ? y + distance : y - distance };
  });
  // A link is horizontal where it passes a column, so that it meets neither a box nor a label.
  const columns = new Map<number, number>();
  for (const { x, width } of [...nodes, ...edges.values()]) {
    columns.set(x, Math.max(columns.get(x) ?? 0, width));
  }
  const between = links.map(({ from, to }, index): Point[] => {
    const points = edges.get(index)?.points.slice(1, -1) ?? [];
    const passed = points.flatMap(({ x, y }) => {
      const half = (columns.get(x) ?? 0) / 2;
      return [
        { x: x - half, y },
        { x: x + half, y },
      ];
    });
    return boxes[to]!.x < boxes[from]!.x ? passed.toReversed() : passed;
  });
  const ends = endsOf(links, boxes, between).map((port, index) => {
    const { from, to } = links[index >> 1]!;
    const { x, width } = nodes[index % 2 === 0 ? from : to]!;
    // Horizontal beside the label of a loop as well.
    const beside = { x: port.x < x ? x - width / 2 : x + width / 2, y: port.y };
    return beside.x === port.x ? [port] : [port, beside];
  });
  const paths = links.map(({ from, to }, index) => {
    if (from !== to) {
      return [...ends[2 * index]!, ...between[index]!, ...ends[2 * index + 1]!.toReversed()];
    }
    const { x, y, height } = boxes[from]!;
    const side = labels[index]!.y < y ? y - height / 2 : y + height / 2;
    return [{ x: x - PORT_DISTANCE, y: side }, labels[index]!, { x: x + PORT_DISTANCE, y: side }];
  });
  return { width: size.width, height: size.height, boxes, labels, paths };
}

/** An edge of the graph leads away from the start, even if its link leads back. */
function placed(boxes: readonly Size[], links: readonly Link[], start: number): Placed {
  const reached = new Set([start]);
  // Breadth first: what is added to a set while it is iterated is iterated as well.
  for (const box of reached) {
    for (const { from, to } of links) if (from === box) reached.add(to);
  }
  const order = [...new Set([...reached, ...boxes.keys()])];
  const nodes = boxes.map((box, index) => {
    const loops = loopsAt(links, index).map(({ label }) => label);
    const room = Math.max(0, ...loops.map((label) => label.height + LOOP_DISTANCE));
    const width = Math.max(box.width, ...loops.map((label) => label.width));
    return { width, height: box.height + 2 * room, x: 0, y: 0 };
  });
  const edges = new Map(
    [...links.entries()]
      .filter(([, { from, to }]) => from !== to)
      .map(([index, { label }]) => [index, { ...label, labelpos: 'c', x: 0, y: 0, points: [] }]),
  );
  const graph = new Graph({ multigraph: true });
  const size = { ...LAYOUT_OPTIONS, width: 0, height: 0 };
  graph.setGraph(size);
  for (const [index, node] of nodes.entries()) graph.setNode(`${index}`, node);
  for (const [index, edge] of edges) {
    const { from, to } = links[index]!;
    const isBack = order.indexOf(to) < order.indexOf(from);
    const [v, w] = isBack ? [to, from] : [from, to];
    graph.setEdge(`${v}`, `${w}`, edge, `${index}`);
  }
  layout(graph);
  return { size, nodes, edges };
}

const loopsAt = (links: readonly Link[], box: number): Link[] =>
  links.filter(({ from, to }) => from === box && to === box);

/** Both ends of each link, at one side of a box in the order of the points that they lead to. */
function endsOf(
  links: readonly Link[],
  boxes: readonly (Size & Point)[],
  between: readonly (readonly Point[])[],
): Point[] {
  const ends = links.flatMap(({ from, to }, index) =>
    [
      { box: boxes[from]!, toward: between[index]![0] },
      { box: boxes[to]!, toward: between[index]!.at(-1) },
    ].map(({ box, toward = box }) => ({ box, toward, side: Math.sign(toward.x - box.x) })),
  );
  return ends.map((end) => {
    const beside = ends
      .filter(({ box, side }) => box === end.box && side === end.side)
      .sort((one, other) => one.toward.y - other.toward.y);
    const { x, y, width, height } = end.box;
    const distance = Math.min(PORT_DISTANCE, height / (beside.length + 1));
    const shift = (beside.indexOf(end) - (beside.length - 1) / 2) * distance;
    return { x: x + (end.side * width) / 2, y: y + shift };
  });
}
