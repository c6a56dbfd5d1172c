/** A volume in memory: what each file operation does to it and replies, as a pure function. */

/** A path's content; a directory has none. Paths are as on the volume, from its root. */
export type Entries = ReadonlyMap<string, string | undefined>;

/** One call, as data. `create` makes an empty file and `fill` its content: a crash may come between. */
export type Op =
  | readonly ['list' | 'stat' | 'read' | 'unlink' | 'makeDirectory' | 'removeDirectory', string]
  | readonly ['create' | 'fill', path: string, content: string]
  | readonly ['link' | 'rename', name: string, existing: string]
  /** Of a private file, which is not in the volume's entries. */
  | readonly ['link content' | 'rename content', name: string, content: string];

export interface Applied {
  /** `ok`, an errno, or what was read: a kind, a JSON list of names, `=` and a content. */
  readonly reply: string;
  readonly entries: Entries;
}

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));

function namesIn(entries: Entries, directory: string): string[] {
  return [...entries.keys()]
    .filter((path) => parentOf(path) === directory && path !== directory)
    .map((path) => path.slice(directory.length + 1))
    .sort();
}

export function apply(entries: Entries, op: Op): Applied {
  const [method, path, argument = ''] = op;
  const isThere = entries.has(path);
  const same = (reply: string): Applied => ({ reply, entries });
  const changed = (change: (copy: Map<string, string | undefined>) => void): Applied => {
    const copy = new Map(entries);
    change(copy);
    return { reply: 'ok', entries: copy };
  };
  switch (method) {
    case 'list':
      return same(isThere ? JSON.stringify(namesIn(entries, path)) : 'ENOENT');
    case 'stat':
      if (!isThere) return same('ENOENT');
      return same(entries.get(path) === undefined ? 'directory' : 'file');
    case 'read':
      return same(isThere ? `=${entries.get(path)}` : 'ENOENT');
    case 'unlink':
      return isThere ? changed((copy) => copy.delete(path)) : same('ENOENT');
    case 'removeDirectory':
      if (!isThere) return same('ENOENT');
      if (namesIn(entries, path).length > 0) return same('ENOTEMPTY');
      return changed((copy) => copy.delete(path));
    case 'fill':
      // What was removed or replaced meanwhile is another file.
      return entries.get(path) === '' ? changed((copy) => copy.set(path, argument)) : same('ok');
    default:
  }
  if (!entries.has(parentOf(path))) return same('ENOENT');
  const source = method === 'link' || method === 'rename';
  if (source && !entries.has(argument)) return same('ENOENT');
  if (isThere && !method.startsWith('rename')) return same('EEXIST');
  return changed((copy) => {
    if (method === 'makeDirectory') copy.set(path, undefined);
    else copy.set(path, source ? entries.get(argument) : argument);
    if (method === 'rename') copy.delete(argument);
  });
}
