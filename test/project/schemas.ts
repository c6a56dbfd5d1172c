/** Writes `schemas/`: the formats of state files and configurations, from the definitions that check them. */
import { writeFileSync } from 'node:fs';
import { z } from 'zod';
import { configurationSchema } from '../../src/machine/config-schema.ts';
import { stateFileSchema } from '../../src/machine/state-file.ts';

const SCHEMAS = {
  'state-file': stateFileSchema(),
  configuration: configurationSchema(),
};

export function renderSchemas(): [file: string, text: string][] {
  return Object.entries(SCHEMAS).map(([name, schema]) => [
    `${name}.schema.json`,
    `${JSON.stringify(z.toJSONSchema(schema, { io: 'input' }), null, 2)}\n`,
  ]);
}

if (import.meta.main) {
  for (const [file, text] of renderSchemas()) {
    writeFileSync(new URL(`../../schemas/${file}`, import.meta.url), text);
  }
}
