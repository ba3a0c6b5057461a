import type { RequestListener } from 'node:http'

const doors: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics'])

/** What a process without the role `api` answers: probes and numbers. Traffic that is sent to it by mistake is told so, and not half served. */
export function machineRoomOnly(listener: RequestListener): RequestListener {
  return (req, res) => {
    if (doors.has((req.url ?? '').split('?')[0] ?? '')) return listener(req, res)
    const body = JSON.stringify({ status: 404, code: 'not_found', title: 'This process does not have the role api', retryable: false })
    res.writeHead(404, { 'Content-Type': 'application/problem+json', 'Content-Length': Buffer.byteLength(body), Connection: 'close' })
    res.end(body)
  }
}
