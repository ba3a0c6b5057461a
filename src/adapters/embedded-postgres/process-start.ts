import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { platform } from 'node:os'
import { isErrno } from './refused.ts'

/**
 * When a process began, as opaque text; undefined when there is no such process (a zombie is none: it holds nothing any more).
 * With the pid it names a process for good: pids are used again, together with the same start they are not.
 */
export function processStart(pid: number): string | undefined {
  if (platform() === 'linux') {
    try {
      // After the name, which may itself contain blanks and parentheses: state is field 3, the start in clock ticks since boot field 22.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ESRCH')) return undefined
      throw error
    }
  }
  const shown = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
    encoding: 'utf8',
    env: { LC_ALL: 'C', PATH: process.env['PATH'] },
  }).stdout.trim()
  return shown === '' || shown.startsWith('Z') ? undefined : shown.slice(shown.indexOf(' ')).trim()
}
