/** Made of clip_ranker/messages.json by `python -m tests.test_messages`, not by hand. */

export const TEXTS = {
  "download_failed": {
    "en": "The picture could not be downloaded.",
    "ja": "画像をダウンロードできませんでした。",
    "details": {
      "http_status": {
        "en": "HTTP {status}",
        "ja": "HTTP {status}"
      },
      "http_status_page": {
        "en": "HTTP {status} with a web page, “{title}”",
        "ja": "HTTP {status}、Web ページ「{title}」"
      },
      "http_partial": {
        "en": "HTTP {status} with a part of the picture",
        "ja": "HTTP {status}、画像の一部だけ"
      },
      "redirect_without_location": {
        "en": "HTTP {status} without a Location",
        "ja": "HTTP {status}、リダイレクト先の指定なし"
      },
      "redirect_loop": {
        "en": "redirects in a loop",
        "ja": "リダイレクトがループしている"
      },
      "redirect_loop_at": {
        "en": "redirects in a loop at {host}",
        "ja": "リダイレクトが {host} でループしている"
      },
      "too_many_redirects": {
        "en": "more than {most} redirects, the last one",
        "ja": "リダイレクトが {most} 回を超過"
      },
      "too_many_redirects_at": {
        "en": "more than {most} redirects, the last one at {host}",
        "ja": "リダイレクトが {most} 回を超過、最後は {host}"
      },
      "could_not_connect": {
        "en": "could not connect",
        "ja": "サーバーに接続できない"
      },
      "connection_broke": {
        "en": "the connection broke",
        "ja": "接続が途中で切れた"
      },
      "not_http": {
        "en": "the server does not speak proper HTTP",
        "ja": "サーバーの応答が HTTP として正しくない"
      },
      "answer_in_crumbs": {
        "en": "the answer comes in crumbs",
        "ja": "応答が細切れすぎる"
      },
      "compressed_twice": {
        "en": "the answer is compressed more than once",
        "ja": "応答が二重に圧縮されている"
      },
      "compressed_unasked": {
        "en": "the answer is compressed ({encoding}) although that was not asked for",
        "ja": "応答が対応していない形式（{encoding}）で圧縮されている"
      },
      "compressed_broken": {
        "en": "the answer is compressed and broken",
        "ja": "応答の圧縮データが壊れている"
      },
      "no_such_example": {
        "en": "no such example; there are {names}",
        "ja": "この名前のサンプル画像はない。あるのは {names}"
      },
      "file_unreadable": {
        "en": "cannot be read: {why}",
        "ja": "ファイルを読み取れない：{why}"
      }
    }
  },
  "timed_out": {
    "en": "The picture did not arrive in time.",
    "ja": "画像が時間内に届きませんでした。",
    "details": {
      "no_answer_in_time": {
        "en": "no complete answer within {seconds} s",
        "ja": "{seconds} 秒以内に応答が完了しない"
      },
      "host_silent": {
        "en": "this host did not answer for other pictures of the list",
        "ja": "一覧のほかの画像でも、このサーバーから応答がない"
      },
      "deadline": {
        "en": "not ranked before the request's deadline, quicker the next time",
        "ja": "リクエストの期限に間に合わず。次回は速くなる"
      }
    }
  },
  "url_blocked": {
    "en": "The service may not open this address.",
    "ja": "このアドレスにはアクセスできません。",
    "details": {
      "no_public_address": {
        "en": "this host has no address on the public internet",
        "ja": "インターネットに公開されていないホスト"
      },
      "port": {
        "en": "only ports 80 and 443 are downloaded from",
        "ja": "使えるポートは 80 と 443 だけ"
      },
      "host_not_allowed": {
        "en": "downloads are restricted to other hosts",
        "ja": "許可されていないホスト"
      },
      "host_invalid": {
        "en": "the URL has no valid host",
        "ja": "URL のホスト名が正しくない"
      },
      "redirect_to_http": {
        "en": "redirected from https to http",
        "ja": "https から http へのリダイレクト"
      },
      "url_too_long": {
        "en": "the URL is longer than {most} characters",
        "ja": "URL が {most} 文字を超えている"
      },
      "url_character": {
        "en": "the URL has a character that does not belong in one",
        "ja": "URL に使えない文字がある"
      },
      "url_invalid": {
        "en": "this is not a URL",
        "ja": "URL の形になっていない"
      },
      "url_scheme": {
        "en": "only http and https URLs are downloaded",
        "ja": "使えるのは http と https の URL だけ"
      },
      "url_credentials": {
        "en": "a URL with a user name or password is not downloaded",
        "ja": "ユーザー名やパスワードを含む URL は使えない"
      }
    }
  },
  "too_large": {
    "en": "The picture is too large.",
    "ja": "画像が大きすぎます。",
    "details": {
      "bytes": {
        "en": "more than {most} bytes",
        "ja": "{most} バイトを超えている"
      },
      "bytes_unfolded": {
        "en": "more than {most} bytes, unfolded",
        "ja": "展開すると {most} バイトを超える"
      },
      "bytes_of": {
        "en": "{bytes} bytes, the limit is {most}",
        "ja": "{bytes} バイト、上限は {most}"
      },
      "pixels": {
        "en": "{width}x{height} pixels, the limit is {most} in all",
        "ja": "{width}×{height} ピクセル、上限は合計 {most}"
      },
      "side": {
        "en": "{width}x{height} pixels, the limit is {most} a side",
        "ja": "{width}×{height} ピクセル、上限は一辺 {most}"
      },
      "memory": {
        "en": "decoding it takes more memory than its size allows",
        "ja": "デコードに必要なメモリが大きさに見合わない"
      }
    }
  },
  "not_an_image": {
    "en": "This is not a picture that can be read.",
    "ja": "画像として読み取れません。",
    "details": {
      "web_page": {
        "en": "not a picture: this is a web page",
        "ja": "画像ではなく Web ページ"
      },
      "web_page_titled": {
        "en": "not a picture: this is a web page, “{title}”",
        "ja": "画像ではなく Web ページ「{title}」"
      },
      "format": {
        "en": "not a JPEG, PNG, WebP, HEIC, AVIF, GIF or BMP picture: this is {format}",
        "ja": "{format} 形式。読めるのは JPEG、PNG、WebP、HEIC、AVIF、GIF、BMP"
      },
      "format_archive": {
        "en": "not a JPEG, PNG, WebP, HEIC, AVIF, GIF or BMP picture: this is a {format} file",
        "ja": "画像ではなく {format} ファイル"
      },
      "format_film": {
        "en": "not a JPEG, PNG, WebP, HEIC, AVIF, GIF or BMP picture: this is MP4, or another film",
        "ja": "画像ではなく動画"
      },
      "format_sound": {
        "en": "not a JPEG, PNG, WebP, HEIC, AVIF, GIF or BMP picture: this is AVI, or a sound",
        "ja": "画像ではなく動画か音声"
      },
      "format_page": {
        "en": "not a JPEG, PNG, WebP, HEIC, AVIF, GIF or BMP picture: this is a web page",
        "ja": "画像ではなく Web ページ"
      },
      "format_raw": {
        "en": "not a JPEG, PNG, WebP, HEIC, AVIF, GIF or BMP picture: this is a camera's raw file",
        "ja": "カメラの RAW 形式"
      },
      "format_text": {
        "en": "not a JPEG, PNG, WebP, HEIC, AVIF, GIF or BMP picture: this is text",
        "ja": "画像ではなくテキスト"
      },
      "format_rich_text": {
        "en": "not a JPEG, PNG, WebP, HEIC, AVIF, GIF or BMP picture: this is rich text",
        "ja": "画像ではなくリッチテキスト"
      },
      "format_damaged": {
        "en": "not a JPEG, PNG, WebP, HEIC, AVIF, GIF or BMP picture: this is {format}, but damaged",
        "ja": "{format} 形式だが壊れている"
      },
      "format_heif_damaged": {
        "en": "not a JPEG, PNG, WebP, HEIC, AVIF, GIF or BMP picture: this is HEIC or AVIF, but damaged",
        "ja": "HEIC か AVIF 形式だが壊れている"
      },
      "format_unknown": {
        "en": "not a JPEG, PNG, WebP, HEIC, AVIF, GIF or BMP picture: this is something else, or damaged",
        "ja": "未対応の形式か、壊れている"
      },
      "file_empty": {
        "en": "the file is empty",
        "ja": "ファイルが空"
      },
      "file_damaged": {
        "en": "the {format} file is damaged or cut short",
        "ja": "{format} ファイルが壊れているか、途中で切れている"
      },
      "file_incomplete": {
        "en": "of the {format} file's picture more than a tenth is missing",
        "ja": "{format} ファイルの画像の 1 割以上が欠けている"
      },
      "file_frame": {
        "en": "the PNG file has a frame that is larger than it is",
        "ja": "PNG ファイルのフレームが画像より大きい"
      },
      "file_parts": {
        "en": "a file of so many parts is made to keep us busy",
        "ja": "ファイルの構成が不自然に細かい"
      },
      "file_scans": {
        "en": "a file of so many scans is made to keep us busy",
        "ja": "ファイルのスキャン数が不自然に多い"
      },
      "decoder_slow": {
        "en": "decoding it takes too long for its size",
        "ja": "デコードに時間がかかりすぎる"
      },
      "decoder_broke": {
        "en": "decoding it broke the decoder",
        "ja": "デコード中に異常終了"
      }
    }
  },
  "no_image": {
    "en": "This listing has no picture.",
    "ja": "この出品には画像がありません。",
    "details": {
      "image_url_missing": {
        "en": "image_url is missing",
        "ja": "image_url がない"
      },
      "image_url_null": {
        "en": "image_url is null",
        "ja": "image_url が null"
      },
      "image_url_empty": {
        "en": "image_url is empty text",
        "ja": "image_url が空"
      },
      "image_url_kind": {
        "en": "image_url is {kind}",
        "ja": "image_url が文字列ではない"
      },
      "image_url_misnamed": {
        "en": "{name}: did you mean image_url?",
        "ja": "{name} は image_url の間違い？"
      }
    }
  },
  "embed_failed": {
    "en": "The model could not look at this picture.",
    "ja": "この画像はモデルで処理できませんでした。",
    "details": {
      "vector": {
        "en": "the model gave no finite vector",
        "ja": "モデルの出力が数値として正しくない"
      },
      "batch": {
        "en": "the model failed on this batch",
        "ja": "モデルがまとめて処理した画像のどれかで失敗"
      },
      "call_cut_off": {
        "en": "the call of the model was cut off",
        "ja": "モデルの処理が中断された"
      },
      "work_cut_off": {
        "en": "the work on this picture was cut off",
        "ja": "この画像の処理が中断された"
      },
      "no_decoder": {
        "en": "no process decodes it at the moment, try again",
        "ja": "今はデコードできない。時間をおいて再試行"
      }
    }
  }
};
