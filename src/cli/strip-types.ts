/** TypeScript without its types, by what Node itself does it with. */
import { stripTypeScriptTypes } from 'node:module';

/** Throws what Node says of text that is no TypeScript. Each place stays what it was. */
export function stripTypes(text: string): string {
  const emitWarning = Object.getOwnPropertyDescriptor(process, 'emitWarning')!;
  // It warns that it is experimental, which is no news to the user of a machine.
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(text);
  } finally {
    Object.defineProperty(process, 'emitWarning', emitWarning);
  }
}
