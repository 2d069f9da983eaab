export { ClipRanker } from "./client.ts";
export type { CallOptions, ClientOptions } from "./client.ts";
export {
  BadRequestError,
  BusyError,
  ClipRankerError,
  NetworkError,
  TimeoutError,
  UnauthorisedError,
  UnavailableError,
} from "./errors.ts";
export { message } from "./messages.ts";
export type { Language } from "./messages.ts";
export type * from "./types.ts";
