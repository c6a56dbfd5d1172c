/** Extracts a documentation page's snippets into a folder where its modules load and its commands run. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const MAIN = join(ROOT, 'src/cli/main.ts');

export interface Snippet {
  readonly language: string;
  readonly text: string;
}

/** The first line of a source names its file. */
export const nameOf = ({ text }: Snippet): string => /^(?:\/\/|#) (\S+)\n/.exec(text)?.[1] ?? '';

export class Snippets {
  readonly page: string;
  readonly all: readonly Snippet[];
  #folder = '';

  /** `path` is relative to the project's root. */
  constructor(path: string) {
    this.page = readFileSync(join(ROOT, path), 'utf8');
    this.all = [...this.page.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(
      ([, language, text]): Snippet => ({ language: language!, text: text! }),
    );
  }

  get sources(): readonly Snippet[] {
    return this.all.filter(({ language }) => ['ts', 'js', 'yaml'].includes(language));
  }

  /** Commands and their expected output. */
  get sessions(): readonly [command: string, output: string][] {
    return this.all
      .filter(({ language }) => language === 'console')
      .flatMap(({ text }) => text.split(/^\$ /m).slice(1))
      .map((session) => session.split(/\n([^]*)/) as [command: string, output: string]);
  }

  get folder(): string {
    return this.#folder;
  }

  open(): void {
    this.#folder = mkdtempSync(join(tmpdir(), 'flockwork-docs-'));
    // Packages come from the checkout.
    symlinkSync(join(ROOT, 'node_modules'), join(this.#folder, 'node_modules'));
    for (const source of this.sources) {
      const text = source.text.replace(
        /from 'flockwork(\/\w+)?'/g,
        (_, part = '') => `from ${JSON.stringify(join(ROOT, `src${part}/index.ts`))}`,
      );
      writeFileSync(join(this.#folder, nameOf(source)), text);
    }
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }

  /** The compiler's output for the modules. */
  compile(): Promise<string> {
    const options = {
      isolatedDeclarations: false,
      declaration: false,
      // Imports of the package were replaced by its path.
      rewriteRelativeImportExtensions: false,
    };
    writeFileSync(
      join(this.#folder, 'tsconfig.json'),
      JSON.stringify({
        extends: join(ROOT, 'tsconfig.json'),
        compilerOptions: { ...options, typeRoots: [join(ROOT, 'node_modules/@types')] },
        include: ['*.ts'],
      }),
    );
    writeFileSync(join(this.#folder, 'package.json'), '{ "type": "module" }');
    return this.#run(join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', this.#folder);
  }

  /** The standard output and standard error of `flockwork`. */
  flockwork(...args: string[]): Promise<string> {
    return this.#run(MAIN, ...args);
  }

  #run(...args: string[]): Promise<string> {
    return new Promise((resolve) => {
      const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined };
      execFile(process.execPath, args, { cwd: this.#folder, env }, (_error, stdout, stderr) =>
        resolve(stdout + stderr),
      );
    });
  }
}
