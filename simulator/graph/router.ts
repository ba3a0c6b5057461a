import type { Sim } from '../sim.ts'
import { GraphError, noSuchObject } from '../wire/graph-error.ts'
import type { PhoneNumber, Token, Waba } from '../world/world.ts'
import { getWaba, listNumbers, listSubscriptions, subscribe, unsubscribe } from './accounts.ts'
import { sendJson, type GraphRequest } from './http.ts'
import { deleteMedium, download, getMedium, uploadMedia } from './media.ts'
import { answerError, postMessages } from './messages.ts'
import { deregister, getNumber, getProfile, postNumber, postProfile, register } from './numbers.ts'
import { syncPhone } from './phone-sync.ts'
import { appId, beginUpload, takeUpload } from './uploads.ts'
import { createTemplate, deleteTemplates, editTemplate, getTemplate, listTemplates } from './templates.ts'

type Handler = (() => void | Promise<void>) | undefined

/** Everything that is not the control API or a page: Graph, with or without a version in front, and the host the media come from. */
export async function handleGraph(sim: Sim, request: GraphRequest): Promise<void> {
  try {
    const token = authenticate(sim, request)
    const path = /^v\d+\.\d+$/.test(request.path[0] ?? '') ? request.path.slice(1) : request.path
    if (path[0] === 'whatsapp_business' && path[1] === 'attachments') return download(sim, request)
    const [id, edge, ...rest] = path
    const handler = rest.length > 0 ? undefined : findHandler(sim, request, token, { id: id ?? '', edge: edge ?? '' })
    if (!handler) throw edge === undefined ? noSuchObject(id ?? '', request.method) : unknownEdge(sim, id ?? '', edge, request.method)
    await handler()
  } catch (error) {
    answerError(sim, request, error)
  }
}

function authenticate(sim: Sim, request: GraphRequest): Token {
  const header = request.req.headers.authorization
  const text = header?.startsWith('Bearer ')
    ? header.slice(7).trim()
    : isUpload(request) && header?.startsWith('OAuth ')
      ? header.slice(6).trim()
      : (request.query.get('access_token') ?? undefined)
  if (text === undefined || text === '') throw new GraphError(190, { message: 'An access token is required to request this resource.' })
  const token = sim.world.tokens.get(text)
  if (!token) throw new GraphError(190, { message: 'Invalid OAuth access token - Cannot parse access token' })
  return token
}

const isUpload = ({ path }: GraphRequest): boolean => path.at(-1)?.startsWith('upload:') === true

/** Samples of template headers, by the app of the token. */
function uploadHandler(sim: Sim, request: GraphRequest, { id, edge }: { id: string; edge: string }): Handler {
  if (request.method === 'GET' && id === 'app' && edge === '') return () => sendJson(request.res, 200, { id: appId })
  if (request.method !== 'POST') return undefined
  if (id === appId && edge === 'uploads') return () => beginUpload(sim, request)
  return isUpload(request) ? () => takeUpload(sim, id, request) : undefined
}

function findHandler(sim: Sim, request: GraphRequest, token: Token, { id, edge }: { id: string; edge: string }): Handler {
  const upload = uploadHandler(sim, request, { id, edge })
  if (upload) return upload
  if (!/^\d+$/.test(id)) throw new GraphError(803, { message: `(#803) Some of the aliases you requested do not exist: ${id}` })
  const call = `${request.method} ${edge}`.trim()
  const number = sim.world.numbers.get(id)
  if (number) return mustSee(token, number.waba_id) && numberHandler(sim, number, call, request)
  const waba = sim.world.wabas.get(id)
  if (waba) return mustSee(token, waba.id) && wabaHandler(sim, waba, token, call, request)
  const medium = sim.world.media.get(id)
  if (medium && call === 'GET') return () => getMedium(medium, request)
  if (medium && call === 'DELETE') return () => deleteMedium(sim, medium, request)
  const template = sim.world.templates.get(id)
  if (template) mustSee(token, template.waba_id)
  if (template && call === 'GET') return () => getTemplate(template, request)
  if (template && call === 'POST') return () => editTemplate(sim, template, request)
  throw noSuchObject(id, request.method)
}

function mustSee(token: Token, wabaId: string): true {
  if (token.waba_ids && !token.waba_ids.has(wabaId)) {
    throw new GraphError(200, {
      message: '(#200) You do not have the necessary permissions required to send messages on behalf of this WhatsApp Business Account',
    })
  }
  return true
}

function numberHandler(sim: Sim, number: PhoneNumber, call: string, request: GraphRequest): Handler {
  switch (call) {
    case 'POST messages':
      return () => postMessages(sim, number, request)
    case 'POST media':
      return () => uploadMedia(sim, number, request)
    case 'GET':
      return () => getNumber(sim, number, request)
    case 'POST':
      return () => postNumber(number, request)
    case 'POST smb_app_data':
      return () => syncPhone(sim, number, request)
    case 'POST register':
      return () => register(number, request)
    case 'POST deregister':
      return () => deregister(number, request)
    case 'GET whatsapp_business_profile':
      return () => getProfile(number, request)
    case 'POST whatsapp_business_profile':
      return () => postProfile(number, request)
    default:
      return undefined
  }
}

function wabaHandler(sim: Sim, waba: Waba, token: Token, call: string, request: GraphRequest): Handler {
  switch (call) {
    case 'GET':
      return () => getWaba(waba, request)
    case 'GET phone_numbers':
      return () => listNumbers(sim, waba, request)
    case 'GET subscribed_apps':
      return () => listSubscriptions(waba, request)
    case 'POST subscribed_apps':
      return () => subscribe(waba, token, request)
    case 'DELETE subscribed_apps':
      return () => unsubscribe(waba, token, request)
    case 'GET message_templates':
      return () => listTemplates(waba, request)
    case 'POST message_templates':
      return () => createTemplate(sim, waba, request)
    case 'DELETE message_templates':
      return () => deleteTemplates(sim, waba, request)
    default:
      return undefined
  }
}

function unknownEdge(sim: Sim, id: string, edge: string, method: string): GraphError {
  if (method !== 'GET') return noSuchObject(id, method)
  const node = sim.world.numbers.has(id) ? 'WhatsAppBusinessPhoneNumber' : 'WhatsAppBusinessAccount'
  return new GraphError(100, { message: `(#100) Tried accessing nonexisting field (${edge}) on node type (${node})` })
}
