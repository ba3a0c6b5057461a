import { readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { EmbeddedPostgresRefused } from './refused.ts'

/** As whom initdb and postgres run. Empty: as we are. PostgreSQL refuses root, so root lends it another account. */
export type Identity = { readonly uid?: number; readonly gid?: number }

/** The account for a new cluster, or the owner of the one at `clusterOwner`. It must be in /etc/passwd: PostgreSQL looks its own name up. */
export function chooseIdentity(clusterOwner?: number, passwd = (): string => readFileSync('/etc/passwd', 'utf8')): Identity {
  const me = process.getuid?.()
  if (me !== 0) {
    if (me !== undefined && clusterOwner !== undefined && clusterOwner !== me)
      throw new EmbeddedPostgresRefused(
        `The data belongs to the user with uid ${clusterOwner}, and this is uid ${me}. Start as that user, or change the owner of the data.`,
      )
    return {}
  }
  const accounts = passwd()
    .split('\n')
    .map((line) => line.split(':'))
    .map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
  const found =
    clusterOwner === undefined
      ? (accounts.find(({ name }) => name === 'postgres') ?? accounts.find(({ uid }) => uid === 65_534))
      : accounts.find(({ uid }) => uid === clusterOwner && uid !== 0)
  if (found === undefined)
    throw new EmbeddedPostgresRefused(
      clusterOwner === undefined
        ? 'PostgreSQL does not run as root, and there is neither a user "postgres" nor "nobody" to run it as. Start as another user, or set DATABASE_URL.'
        : `The data belongs to uid ${clusterOwner}, as whom PostgreSQL cannot run (it has to be a user of this machine other than root). Change the owner of the data, or set DATABASE_URL.`,
    )
  return { uid: found.uid, gid: found.gid }
}

/** Whether that account may walk down to `path`: every folder above it must let it pass. A checkout in a home of mode 0700 does not. */
export function reachable(path: string, { uid, gid }: Identity): boolean {
  if (uid === undefined) return true
  for (let folder = realpathSync(path); ; folder = dirname(folder)) {
    const stat = statSync(folder)
    const mayPass = stat.uid === uid ? 0o100 : stat.gid === gid ? 0o010 : 0o001
    if (stat.isDirectory() && (stat.mode & mayPass) === 0) return false
    if (folder === dirname(folder)) return true
  }
}
