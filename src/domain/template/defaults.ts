import type { TemplateDefinition } from './events.ts'

/**
 * Templates that most tenants need in their first week, worded so that Meta approves them: a reason to write, named values, a way to answer.
 * Utility where the customer asked for something, marketing where we begin. A tenant adopts them under the names they have here.
 */
export const defaultLanguages = ['es', 'pt_BR', 'en'] as const
export type DefaultLanguage = (typeof defaultLanguages)[number]

type Words = {
  readonly body: string
  /** Label of each quick reply. */
  readonly replies?: readonly string[]
  readonly footer?: string
}
type Default = {
  readonly category: 'UTILITY' | 'MARKETING'
  readonly about: string
  /** An example of each value, by the name of its variable and language. */
  readonly examples: Readonly<Record<string, Readonly<Record<DefaultLanguage, string>>>>
  readonly words: Readonly<Record<DefaultLanguage, Words>>
}

const same = (example: string): Readonly<Record<DefaultLanguage, string>> => ({ es: example, pt_BR: example, en: example })
const name = { es: 'Ana', pt_BR: 'Ana', en: 'Anna' }
const day = { es: 'lunes 4 de mayo', pt_BR: 'segunda-feira, 4 de maio', en: 'Monday, 4 May' }
const address = { es: 'Calle Mayor 12', pt_BR: 'Rua das Flores, 12', en: '12 Main Street' }

const stop: Readonly<Record<DefaultLanguage, string>> = {
  es: 'Responde BAJA para no recibir más avisos',
  pt_BR: 'Responda SAIR para não receber mais avisos',
  en: 'Reply STOP to get no more of these messages',
}

export const defaultTemplates: Readonly<Record<string, Default>> = {
  visit_confirmation: {
    category: 'UTILITY',
    about: 'Confirms a visit that the customer asked for',
    examples: { name, day, hour: same('17:30'), address },
    words: {
      es: {
        body: 'Hola {{name}}, tu visita a {{address}} queda confirmada para el {{day}} a las {{hour}}. Te esperamos.',
        replies: ['Confirmo', 'Cambiar la hora'],
      },
      pt_BR: {
        body: 'Olá {{name}}, sua visita a {{address}} está confirmada para {{day}} às {{hour}}. Esperamos por você.',
        replies: ['Confirmo', 'Mudar o horário'],
      },
      en: {
        body: 'Hi {{name}}, your visit to {{address}} is confirmed for {{day}} at {{hour}}. We look forward to seeing you.',
        replies: ['I will be there', 'Change the time'],
      },
    },
  },
  visit_reminder: {
    category: 'UTILITY',
    about: 'Reminds of a visit, usually the day before',
    examples: { name, hour: same('17:30'), address },
    words: {
      es: {
        body: 'Hola {{name}}, te recordamos tu visita a {{address}} mañana a las {{hour}}. ¿Sigue en pie?',
        replies: ['Sí, allí estaré', 'Necesito cambiarla'],
      },
      pt_BR: {
        body: 'Olá {{name}}, lembramos da sua visita a {{address}} amanhã às {{hour}}. Está confirmada?',
        replies: ['Sim, estarei lá', 'Preciso remarcar'],
      },
      en: {
        body: 'Hi {{name}}, a reminder of your visit to {{address}} tomorrow at {{hour}}. Does it still suit you?',
        replies: ['Yes, see you there', 'I need to move it'],
      },
    },
  },
  request_received: {
    category: 'UTILITY',
    about: 'Answers a request that came in while nobody was there',
    examples: { name, subject: { es: 'el piso de Chamberí', pt_BR: 'o apartamento em Moema', en: 'the flat in Camden' } },
    words: {
      es: {
        body: 'Hola {{name}}, hemos recibido tu consulta sobre {{subject}}. Una persona del equipo te responderá en este chat lo antes posible.',
      },
      pt_BR: { body: 'Olá {{name}}, recebemos sua mensagem sobre {{subject}}. Uma pessoa da equipe responderá nesta conversa o quanto antes.' },
      en: {
        body: 'Hi {{name}}, we have received your request about {{subject}}. Somebody from our team will answer in this chat as soon as possible.',
      },
    },
  },
  conversation_follow_up: {
    category: 'UTILITY',
    about: 'Takes up a conversation again after its 24 hours are over',
    examples: { name, subject: { es: 'tu consulta del martes', pt_BR: 'sua dúvida de terça-feira', en: 'your question of Tuesday' } },
    words: {
      es: {
        body: 'Hola {{name}}, tenemos una respuesta sobre {{subject}}. ¿Quieres que sigamos por aquí?',
        replies: ['Sí, adelante', 'Ya no hace falta'],
      },
      pt_BR: {
        body: 'Olá {{name}}, temos uma resposta sobre {{subject}}. Podemos continuar por aqui?',
        replies: ['Sim, pode falar', 'Não é mais preciso'],
      },
      en: { body: 'Hi {{name}}, we have an answer about {{subject}}. Shall we go on here?', replies: ['Yes, please', 'No longer needed'] },
    },
  },
  new_matches: {
    category: 'MARKETING',
    about: 'Tells of new offers that fit what somebody looks for',
    examples: { name, count: same('3'), place: same('Centro') },
    words: {
      es: {
        body: 'Hola {{name}}, han entrado {{count}} viviendas nuevas en {{place}} que encajan con lo que buscas. ¿Te las enviamos?',
        replies: ['Enviádmelas', 'Ahora no'],
        footer: stop.es,
      },
      pt_BR: {
        body: 'Olá {{name}}, chegaram {{count}} imóveis novos em {{place}} que combinam com o que você procura. Quer que enviemos?',
        replies: ['Quero ver', 'Agora não'],
        footer: stop.pt_BR,
      },
      en: {
        body: 'Hi {{name}}, there are {{count}} new homes in {{place}} that fit what you are looking for. Shall we send them to you?',
        replies: ['Send them', 'Not now'],
        footer: stop.en,
      },
    },
  },
}

/** What is asked of Meta for a default in a language; undefined when there is no such default. */
export function defaultDefinition(name: string, language: DefaultLanguage): TemplateDefinition | undefined {
  const found = Object.hasOwn(defaultTemplates, name) ? defaultTemplates[name] : undefined
  if (found === undefined) return undefined
  const { body, replies = [], footer } = found.words[language]
  const examples = Object.entries(found.examples).map(([variable, example]) => ({ param_name: variable, example: example[language] }))
  return {
    category: found.category,
    parameterFormat: 'named',
    components: [
      { type: 'BODY', text: body, example: { body_text_named_params: examples } },
      ...(footer === undefined ? [] : [{ type: 'FOOTER', text: footer }]),
      ...(replies.length === 0 ? [] : [{ type: 'BUTTONS', buttons: replies.map((text) => ({ type: 'QUICK_REPLY', text })) }]),
    ],
  }
}
