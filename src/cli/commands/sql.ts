/** `flockwork sql`: prints SQL for a database that keeps the state. */
import { formatSql, sqlOf } from '../../render/sql.ts';
import { EXIT, type Command } from '../command.ts';
import { loadOne } from '../machines.ts';

export const sql: Command = {
  name: 'sql',
  describe:
    'Print SQL for a machine with a table: CREATE TABLE, INSERT, SELECT, and an UPDATE per event',
  positional: {
    name: 'machine-file',
    describe: 'A machine with a table (.ts, .js, .yaml, .json), or a folder of them',
    required: true,
  },
  options: ['dialect', 'table', 'column', 'machine', 'json', 'config'],
  examples: [
    ['$0 sql examples/tasks/tasks.ts', 'for MySQL and MariaDB; the parameter is the id of a row'],
    ['$0 sql orders.yaml --dialect postgresql --table shop_orders', 'for PostgreSQL'],
  ],
  run: async (settings, [path = ''], io) => {
    const machine = await loadOne(path, settings.machine);
    const { dialect, column, table = machine.name } = settings;
    const statements = sqlOf(machine, { dialect, column, table });
    io.print(settings.json ? JSON.stringify(statements) : formatSql(machine, statements));
    return EXIT.done;
  },
};
