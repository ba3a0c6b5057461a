import { z } from 'zod'
import { addressRequest, buttons, callPermission, contactRequest, list, locationRequest, urlButton, voiceCall } from './interactive-choice.ts'
import { carousel, catalog, flow, orderDetails, orderStatus, product, productList } from './interactive-commerce.ts'

/** Every kind of interactive message that Meta takes. */
export const interactive = z.discriminatedUnion('type', [
  buttons,
  list,
  urlButton,
  flow,
  product,
  productList,
  catalog,
  locationRequest,
  addressRequest,
  callPermission,
  voiceCall,
  contactRequest,
  carousel,
  orderDetails,
  orderStatus,
])
