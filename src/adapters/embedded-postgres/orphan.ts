import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs'
import { platform } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { processStart } from './process-start.ts'
import { EmbeddedPostgresRefused, isErrno, type Note } from './refused.ts'

const patienceMs = 60_000

/**
 * Ends the PostgreSQL that a killed program left running on this cluster, so that the new one starts its own: as its child, with this version's settings.
 * Adopting it would save half a second and leave a server whose end nobody is told of. To be called by the holder of the directory's lock only.
 */
export async function stopOrphan(cluster: string, note: Note): Promise<void> {
  const file = join(cluster, 'postmaster.pid')
  if (!existsSync(file)) return
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0])
  const started = Number.isSafeInteger(pid) && pid > 0 ? processStart(pid) : undefined
  if (started === undefined || !servesCluster(pid, cluster)) {
    // Left by a crash. PostgreSQL removes it by itself, except when the pid lives again as another process of the same account.
    if (started !== undefined) rmSync(file, { force: true })
    return
  }
  note(`A PostgreSQL (pid ${pid}) was left running by a program that was killed: stopping it.`)
  // Fast shutdown first; immediate (recovered from the log at the next start, nothing acknowledged is lost) when it does not come to an end.
  for (const [signal, patience] of [
    ['SIGINT', patienceMs / 2],
    ['SIGQUIT', patienceMs / 2],
  ] as const) {
    send(pid, signal)
    for (const until = Date.now() + patience; Date.now() < until; await sleep(20)) if (processStart(pid) !== started) return
  }
  throw new EmbeddedPostgresRefused(`The PostgreSQL with pid ${pid} was left running on ${cluster} and does not stop. End it, then start again.`)
}

/** The postmaster works inside its cluster's folder: that tells it from any other process that got its pid. */
function servesCluster(pid: number, cluster: string): boolean {
  if (platform() === 'linux') {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(cluster)
    } catch (error) {
      // Another account's process: then it is not ours, we run as the cluster's owner or as root.
      if (isErrno(error, 'ENOENT', 'EACCES', 'EPERM', 'ESRCH')) return false
      throw error
    }
  }
  const { stdout } = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
  return stdout.includes('postgres') && stdout.includes(cluster)
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error
  }
}
