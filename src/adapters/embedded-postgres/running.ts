import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The url of the server that a running Recado has on this data directory; undefined when there is none. Whether it answers is for the caller to see. */
export function runningServer(dataDir: string): string | undefined {
  const file = join(dataDir, 'postgres', 'postmaster.pid')
  if (!existsSync(file)) return undefined
  // Lines of PostgreSQL's own: pid, directory, start, port, folder of the socket …, and the state at the end.
  const [pid, , , port, socket] = readFileSync(file, 'utf8').split('\n')
  if (socket === undefined || socket === '' || !isAlive(Number(pid))) return undefined
  return `postgresql://recado@localhost:${port}/recado?host=${encodeURIComponent(socket)}&sslmode=disable`
}

/** Signal 0 asks without sending. Another account's process may not be signalled, and is alive. */
function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
