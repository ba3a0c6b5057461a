import { closeSync, existsSync, openSync, readFileSync, truncateSync, unlinkSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { z } from 'zod'
import { firstRecords } from './database.ts'
import type { LogRecord } from './records.ts'
import type { Persist } from './writer.ts'

const line = z.array(
  z.object({
    position: z.number(),
    end: z.number(),
    stream: z.string(),
    revision: z.number(),
    id: z.string(),
    type: z.string(),
    contentType: z.string(),
    metadata: z.string(),
    data: z.string(),
    created: z.number(),
  }),
)
const bytes = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'))
const base64 = (value: Uint8Array): string => Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')

/** One line per append, so that a kill leaves a whole append or none; half a line at the end is what was being written, and is cut off. */
function loadRecords(file: string): LogRecord[] {
  if (!existsSync(file)) return []
  const text = readFileSync(file)
  const whole = text.lastIndexOf(0x0a) + 1
  if (whole < text.length) truncateSync(file, whole)
  return text
    .subarray(0, whole)
    .toString('utf8')
    .split('\n')
    .filter((row) => row !== '')
    .flatMap((row) => line.parse(JSON.parse(row)).map((record) => ({ ...record, metadata: bytes(record.metadata), data: bytes(record.data) })))
}

/** What the file held, and how to add to it: appended and fsynced before anything is answered. */
export async function openFile(file: string): Promise<{ records: LogRecord[]; persist: Persist }> {
  const records = loadRecords(file)
  const handle = await open(file, 'a')
  const persist: Persist = async (appends) => {
    const rows = appends.map((records) =>
      JSON.stringify(records.map((record) => ({ ...record, metadata: base64(record.metadata), data: base64(record.data) }))),
    )
    await handle.appendFile(`${rows.join('\n')}\n`)
    await handle.datasync()
  }
  if (records.length > 0) return { records, persist }
  const first = firstRecords(Date.now())
  await persist([first])
  return { records: first, persist }
}

/** A database has one server: a second one before the first is gone fails, as with the real one. A lock left by a killed process is taken over. */
export function lockFile(file: string): () => void {
  const lock = `${file}.lock`
  const owner = existsSync(lock) ? Number(readFileSync(lock, 'utf8')) : 0
  if (owner > 0 && owner !== process.pid && isAlive(owner))
    throw new Error(`Couldn't acquire exclusive lock on DB at '${file}': process ${owner} has it`)
  const handle = openSync(lock, 'w')
  writeSync(handle, String(process.pid))
  closeSync(handle)
  return () => unlinkSync(lock)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
