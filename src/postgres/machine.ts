import { hash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'

/**
 * What makes a process number mean one process: this start of this machine, and within it the name space of numbers (a container has its own).
 * Undefined where there is no such thing to read; host names are no help, they are given twice.
 */
export const machine: string | undefined = identity()

function identity(): string | undefined {
  try {
    return hash('sha256', `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')} ${readlinkSync('/proc/self/ns/pid')}`, 'hex')
  } catch {
    return undefined
  }
}

/** Whether a process of this machine is there; one that we may not touch is. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH')
  }
}
