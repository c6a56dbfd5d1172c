/** A server that ends a connection as soon as it has accepted it. */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { PostgresConnection, targetOf } from '../../src/postgres/connection.ts';

/** A message of PostgreSQL's protocol. */
function messageOf(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(length.length + body.length);
  return Buffer.concat([Buffer.from(type), length, body]);
}

test('a connection that is accepted and ended at once fails calls, and nothing else', async () => {
  const accepted = messageOf('R', Buffer.alloc(4));
  const ready = messageOf('Z', Buffer.from('I'));
  const ended = messageOf('E', Buffer.from('SFATAL\0C57P01\0Mgone\0\0'));
  const server = createServer((socket) => {
    // In one piece: the client learns of the end before it can do anything with the connection.
    socket.once('data', () => socket.end(Buffer.concat([accepted, ready, ended])));
    socket.on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  process.on('uncaughtExceptionMonitor', note);
  const connection = await PostgresConnection.open(targetOf(`postgres://me@127.0.0.1:${port}/x`));
  await expect(connection.query('select 1')).rejects.toThrow('gone');
  const client = await connection.listener();
  await new Promise<void>((end) => client.once('end', () => end()));
  await connection.close();
  process.off('uncaughtExceptionMonitor', note);
  server.close();
  expect(uncaught).toEqual([]);
});
