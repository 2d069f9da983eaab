/** What the service takes and answers. A test holds these to its OpenAPI document. */

/**
 * Name of a listing, 1 to 256 characters or an integer. Integers above `Number.MAX_SAFE_INTEGER` are
 * rounded by `JSON.parse`, not by the service: send those as strings.
 */
export type AuctionId = string | number;

/** One listing to rank. */
export interface Candidate {
  /** Comes back as it is; need not be unique. */
  auction_id: AuctionId;
  /** http or https URL of the thumbnail, or `example:<name>`; without one it fails as `no_image`. */
  image_url?: string | null;
  /** Counts with `title_weight` or `query_text`. */
  title?: string | null;
}

/** A photo, or several, as base64 or as a URL (base64 wins), and the listings to put in order. */
export interface RankRequest {
  /** JPEG, PNG, WebP, HEIC, AVIF, GIF or BMP as base64; a `data:` prefix is fine. */
  query_image_base64?: string | null;
  /** Instead of one photo, 1 to 4 of the same item. */
  query_images_base64?: string[] | null;
  query_image_url?: string | null;
  /** A photo sent as base64 may lie on its side or head: the best of four directions counts. */
  any_rotation?: boolean | null;
  candidates: Candidate[];
  /** How many results to answer; all when left out. */
  top_k?: number | null;
  /** Leave results with a lower score out, -1 to 1. */
  min_score?: number | null;
  /** Candidates downloaded at once, 1 to 50. */
  max_concurrency?: number | null;
  /** Longest side in pixels before the model's own resize, 224 to 2048. */
  image_resize?: number | null;
  /** Name of one of the service's models, see `models()`; its default when left out. */
  model?: string | null;
  /** Answer listings that show the same picture as one result, the best of them. */
  group_duplicates?: boolean | null;
  /** Answer with what is ranked after so many milliseconds, 100 to 60000. */
  deadline_ms?: number | null;
  /** Words for the item, such as its name or number, 1000 characters at most; titles count then. */
  query_text?: string | null;
  /** How much titles count, 0 to 1; when left out 0.5 with `query_text`, else 0. */
  title_weight?: number | null;
}

/** What a score says of the item. */
export type Match = "same" | "similar" | "different";

export interface Result {
  auction_id: AuctionId;
  /** Cosine similarity to the photo, -1 to 1; where titles count, the mean of the two below. */
  score: number;
  /** Cosine similarity to the photo; only where titles count. */
  image_score?: number | null;
  /** Likeness by title and words, on the scale of `image_score`; only where there is any. */
  text_score?: number | null;
  /**
   * Points of interest that lie in its picture as in the photo; goes before `score` in the order. Only
   * where the service looks at the first pictures again, and enough agree.
   */
  agreeing_points?: number | null;
  /** 1 is the most similar. */
  rank: number;
  /** Of a model with a calibration, for one photo, where titles do not count. */
  match?: Match | null;
  /** That it shows the same item, 0 to 1; there with `match`. */
  probability?: number | null;
  /** The same number for all listings that show one picture; none where no other listing has it. */
  group?: number | null;
  /** Listings with the same picture, in rank order; only with `group_duplicates`. */
  duplicates?: AuctionId[] | null;
}

/** Why one candidate could not be ranked. */
export type FailureReason =
  | "download_failed"
  | "timed_out"
  | "url_blocked"
  | "too_large"
  | "not_an_image"
  | "no_image"
  | "embed_failed";

export interface Failure {
  auction_id: AuctionId;
  reason: FailureReason;
  /** What happened, for people, in English; `message` has it in other languages. */
  detail: string;
  /** The same for programs. */
  detail_code?: string | null;
  /** What `detail` names: numbers, hosts, formats. */
  detail_params?: Record<string, string | number> | null;
}

/** Milliseconds; the stages overlap, so they add up to more than `total`. */
export interface TimingMs {
  total: number;
  download: number;
  decode: number;
  embed: number;
  /** Words and titles; only where titles count. */
  text?: number | null;
}

export interface Meta {
  model: string;
  image_resize: number;
  candidates: number;
  succeeded: number;
  failed: number;
  /** Candidates with a score below `min_score`; only with that. */
  below_min_score?: number | null;
  /** Candidates answered from the cache. */
  cached: number;
  /** Candidates whose picture is that of another with as good a score or a better. */
  duplicates: number;
  /** True when `deadline_ms` ran out before all were ranked. */
  partial: boolean;
  timing_ms: TimingMs;
  /** How texts were compared, by the model or by their spelling; only where titles count. */
  text_method?: "model" | "lexical" | null;
  /** For `feedback`; only where the service takes any. */
  request_id?: string | null;
}

export interface RankResponse {
  results: Result[];
  failed: Failure[];
  meta: Meta;
}

interface Progress {
  /** Position in the request's `candidates`. */
  index: number;
  auction_id: AuctionId;
  /** Candidates settled so far, this one included. */
  done: number;
  /** Candidates in the request. */
  candidates: number;
}

export interface ScoredEvent extends Progress {
  type: "scored";
  /** By the pictures alone: titles count in the answer. */
  score: number;
  match?: Match | null;
  probability?: number | null;
}

export interface FailedEvent extends Progress {
  type: "failed";
  reason: FailureReason;
  detail: string;
  detail_code?: string | null;
  detail_params?: Record<string, string | number> | null;
}

export interface AnswerEvent {
  type: "answer";
  answer: RankResponse;
}

/** What `rankStream` yields; an `answer` comes last. */
export type RankEvent = ScoredEvent | FailedEvent | AnswerEvent;

export interface PrefetchRequest {
  candidates: Candidate[];
  /** The same as in the /rank to come, or the work is of no use to it. */
  image_resize?: number | null;
  /** Likewise. */
  model?: string | null;
  /** Above 0 titles are embedded too, where the model reads text. */
  title_weight?: number | null;
}

export interface PrefetchResponse {
  /** Taken into the queue. */
  accepted: number;
  /** In the cache or the queue already. */
  known: number;
  /** Not taken: too many are waiting, it is blocked, or failed a few seconds ago. */
  refused: number;
}

/** A model that a request may name. */
export interface ModelInfo {
  name: string;
  /** Where its weights come from, for people. */
  source: string;
  /** SHA-256 of the weights; `-views` and `-int8…` may follow. */
  digest: string;
  precision: "fp32" | "int8";
  /** Numbers in a vector. */
  dim: number;
  /** Of a picture as the model takes it. */
  width_px: number;
  height_px: number;
  /** Whether answers say `match` and `probability`. */
  calibrated: boolean;
  /** Whether it has a text tower too. */
  text: boolean;
  /** What its import found, by name. */
  measured: Record<string, unknown>;
}

export interface ModelsResponse {
  /** Ranks where a request names none. */
  default: string;
  /** All of them, the default first. */
  models: ModelInfo[];
}

/** Whether a listing of a ranking of the last hour is the very item of the photo. */
export interface FeedbackRequest {
  /** `meta.request_id` of the ranking. */
  request_id: string;
  auction_id: AuctionId;
  /** Let people say `false` too: right ones alone calibrate nothing. */
  same: boolean;
}

export interface FeedbackResponse {
  /** `known`: the same was said before. */
  outcome: "written" | "known";
}

/** One fault in a request. */
export interface Fault {
  field?: string;
  reason?: string;
  message?: string;
  detail_code?: string;
  detail_params?: Record<string, string | number>;
}
