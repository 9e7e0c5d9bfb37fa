//! What mail programs write by themselves, one row a language: around a quotation, in a reply
//! header, under a message, above an answer in the owner's absence. Lower case; a part of a
//! word stands for all its forms.

/// The phrases of one language.
pub(super) struct Phrases {
    /// What may begin a line of attribution.
    pub(super) opens: &'static [&'static str],
    /// The verb of "on Monday Jane wrote:".
    pub(super) wrote: &'static [&'static str],
    /// The labels of a reply header.
    pub(super) from: &'static [&'static str],
    pub(super) sent: &'static [&'static str],
    pub(super) to: &'static [&'static str],
    pub(super) subject: &'static [&'static str],
    /// "original" and "forwarded", as in `-----Original Message-----`.
    pub(super) original: &'static [&'static str],
    pub(super) forwarded: &'static [&'static str],
    /// "sent from", as in "Sent from my phone".
    pub(super) sent_from: &'static [&'static str],
    /// Two of these in a paragraph make a legal disclaimer of it.
    pub(super) disclaims: &'static [&'static str],
    /// How the subject of an answering machine begins.
    pub(super) away: &'static [&'static str],
}

/// English first: many programs speak it whatever their owner does.
#[rustfmt::skip]
pub(super) const LANGUAGES: &[Phrases] = &[
    Phrases { // English
        opens: &["on ", "at "],
        wrote: &["wrote", "writes", "said", "has written", "quoting "],
        from: &["from"], sent: &["sent", "date", "sent at"], to: &["to", "cc", "reply to", "reply-to", "importance"], subject: &["subject"],
        original: &["original"], forwarded: &["forwarded"],
        sent_from: &["sent from", "sent via", "sent with", "sent using", "sent by", "get outlook", "download outlook"],
        disclaims: &["confidential", "intended recipient", "intended only", "intended solely", "solely for the", "privileged", "in error", "notify the sender", "notify us immediately", "contact the sender", "disclosure, copying", "unauthorized", "unauthorised", "strictly prohibited", "scanned for viruses", "necessarily represent"],
        away: &["automatic reply", "automatic response", "auto reply", "auto-reply", "autoreply", "auto response", "auto-response", "autoresponse", "autoresponder", "auto:", "automated reply", "automated response", "out of office", "out of the office", "out-of-office", "ooo:", "vacation reply"],
    },
    Phrases { // German
        opens: &["am ", "um "],
        wrote: &["schrieb", "geschrieben", "schreibt", "zitat von "],
        from: &["von", "absender"], sent: &["gesendet", "datum", "gesendet am", "gesendet um"], to: &["an", "kopie", "kopie (cc)", "antwort an", "priorität"], subject: &["betreff"],
        original: &["ursprüngliche", "originalnachricht", "original-nachricht", "antwortnachricht"], forwarded: &["weitergeleitet", "weiterleitung"],
        sent_from: &["gesendet von", "gesendet mit", "gesendet aus", "gesendet über", "von meinem", "von unterwegs gesendet", "diese nachricht wurde von meinem", "diese e-mail wurde von meinem", "holen sie sich outlook", "outlook für "],
        disclaims: &["vertraulich", "rechtlich geschützt", "nicht der richtige adressat", "nicht der beabsichtigte", "irrtümlich", "informieren sie bitte sofort", "informieren sie den absender", "vernichten sie", "unbefugte", "nicht gestattet", "bestimmungsgemäße"],
        away: &["automatische antwort", "abwesenheitsnotiz", "abwesenheit", "automatische rückantwort", "automatische abwesenheit", "autom. antwort"],
    },
    Phrases { // French
        opens: &["le ", "en date du "],
        wrote: &["a écrit", "à écrit", "a ecrit", "écrivait", "ont écrit", "citation de "],
        from: &["de", "expéditeur"], sent: &["envoyé", "envoyé le", "date d'envoi"], to: &["à", "a", "pour", "copie à", "répondre à", "destinataire"], subject: &["objet", "sujet"],
        original: &["d'origine", "original", "initial"], forwarded: &["transféré", "transmis", "réexpédié", "transfere"],
        sent_from: &["envoyé de", "envoyé depuis", "envoyé à partir", "envoyé avec", "envoyé par", "envoyé via", "obtenez outlook", "télécharger outlook", "provenance : "],
        disclaims: &["confidentiel", "destinataire", "par erreur", "avertir l'expéditeur", "informer l'expéditeur", "exclusi", "strictement interdit", "non autorisé", "le détruire", "la détruire"],
        away: &["réponse automatique", "reponse automatique", "absence du bureau", "absent du bureau", "absence :", "message d'absence", "notification d'absence"],
    },
    Phrases { // Spanish
        opens: &["el ", "en "],
        wrote: &["escribió", "escribio", "escribe", "ha escrito", "citando a "],
        from: &["de", "remitente"], sent: &["enviado", "fecha", "enviado el", "fecha de envío"], to: &["para", "a", "copia", "responder a"], subject: &["asunto"],
        original: &["original"], forwarded: &["reenviado", "reenvío", "remitido"],
        sent_from: &["enviado desde", "enviado con", "enviado por", "enviado de", "enviado mediante", "obtener outlook", "obtén outlook", "descargar outlook"],
        disclaims: &["confidencial", "destinatario", "por error", "notifíquelo", "notifique", "privilegiad", "prohibid", "uso exclusivo", "comunicarlo", "elimínelo"],
        away: &["respuesta automática", "respuesta automatica", "fuera de la oficina", "fuera de oficina", "ausente de la oficina", "autorespuesta", "contestación automática"],
    },
    Phrases { // Italian
        opens: &["il ", "in data ", "il giorno "],
        wrote: &["ha scritto", "scrive", "scrisse", "hanno scritto", "citando "],
        from: &["da", "mittente"], sent: &["inviato", "data", "inviato il"], to: &["a", "per", "rispondi a"], subject: &["oggetto"],
        original: &["originale"], forwarded: &["inoltrato", "inoltrata"],
        sent_from: &["inviato da", "inviato con", "inviato tramite", "inviata da", "scarica outlook", "ottieni outlook"],
        disclaims: &["riservat", "confidenzial", "destinatari", "per errore", "informare il mittente", "avvisare il mittente", "vietat", "distrugger", "uso esclusivo", "darne notizia"],
        away: &["risposta automatica", "fuori sede", "fuori ufficio", "risponditore automatico"],
    },
    Phrases { // Portuguese
        opens: &["em ", "a ", "no dia ", "na "],
        wrote: &["escreveu", "escreve", "escreveram"],
        from: &["de", "remetente"], sent: &["enviado", "enviada", "data", "enviado em", "enviada em", "data de envio"], to: &["para", "responder a", "cópia"], subject: &["assunto"],
        original: &["original"], forwarded: &["encaminhada", "reencaminhada", "encaminhado", "reenviada"],
        sent_from: &["enviado do", "enviado a partir", "enviado de", "enviado com", "enviado pelo", "enviado via", "enviada do", "obter o outlook", "obtenha o outlook", "baixe o outlook"],
        disclaims: &["confidencia", "destinatário", "por engano", "por erro", "informe o remetente", "avise o remetente", "avisar o remetente", "proibid", "privilegiad", "uso exclusivo"],
        away: &["resposta automática", "resposta automatica", "ausência", "ausente do escritório", "fora do escritório", "ausência temporária"],
    },
    Phrases { // Dutch
        opens: &["op ", "in bericht "],
        wrote: &["schreef", "geschreven", "schrijft"],
        from: &["van", "afzender"], sent: &["verzonden", "verstuurd", "datum", "verzonden op"], to: &["aan", "beantwoorden aan"], subject: &["onderwerp"],
        original: &["oorspronkelijk", "origineel", "originele"], forwarded: &["doorgestuurd", "doorgezonden"],
        sent_from: &["verzonden vanaf", "verzonden van", "verzonden met", "verstuurd vanaf", "verstuurd met", "verzonden via", "outlook downloaden", "download outlook", "outlook voor "],
        disclaims: &["vertrouwelijk", "geadresseerde", "abusievelijk", "ten onrechte", "per vergissing", "afzender", "niet toegestaan", "uitsluitend bestemd", "te vernietigen", "onbevoegd"],
        away: &["automatisch antwoord", "automatische antwoord", "automatische reactie", "afwezigheid", "afwezig", "niet aanwezig"],
    },
    Phrases { // Polish
        opens: &["w dniu ", "dnia ", "w "],
        wrote: &["napisał", "pisze", "napisali"],
        from: &["od", "nadawca"], sent: &["wysłano", "data", "wysłane"], to: &["do", "dw", "odpowiedz do"], subject: &["temat"],
        original: &["oryginaln", "pierwotn"], forwarded: &["przekazan", "przesłana dalej", "przekazywan", "przesyłan"],
        sent_from: &["wysłane z", "wysłano z", "wysłana z", "wiadomość wysłana z", "pobierz program outlook", "pobierz outlook", "uzyskaj dodatek outlook"],
        disclaims: &["poufn", "adresat", "omyłkowo", "pomyłk", "powiadomić nadawcę", "powiadomienie nadawcy", "zabronion", "nieuprawnion", "wyłącznie dla"],
        away: &["automatyczna odpowiedź", "odpowiedź automatyczna", "autoodpowiedź", "poza biurem", "nieobecność"],
    },
    Phrases { // Swedish
        opens: &["den ", "på "],
        wrote: &["skrev", "skriver"],
        from: &["från"], sent: &["skickat", "datum", "skickades", "skickat den"], to: &["till", "kopia", "svara till"], subject: &["ämne"],
        original: &["ursprungligt", "originalmeddelande", "ursprungliga"], forwarded: &["vidarebefordra", "vidarebefodra"],
        sent_from: &["skickat från", "skickat med", "skickat via", "skickades från", "hämta outlook", "skaffa outlook"],
        disclaims: &["konfidentiell", "avsedd", "av misstag", "meddela avsändaren", "underrätta avsändaren", "sekretess", "otillåten", "förbjud", "obehörig"],
        away: &["automatiskt svar", "autosvar", "frånvaro", "frånvaromeddelande", "inte på kontoret", "ej på kontoret"],
    },
    Phrases { // Danish and Norwegian
        opens: &["den ", "på "],
        wrote: &["skrev", "skriver"],
        from: &["fra"], sent: &["sendt", "dato", "sendt den"], to: &["til", "kopi", "svar til"], subject: &["emne"],
        original: &["oprindelig", "original", "opprinnelig"], forwarded: &["videresendt", "videresend", "viderebragt"],
        sent_from: &["sendt fra", "sendt med", "sendt via", "hent outlook", "få outlook", "skaff deg outlook", "last ned outlook"],
        disclaims: &["fortrolig", "konfidensiel", "tiltenkt", "tiltænkt", "ved en fejl", "ved en feil", "underrett", "afsenderen", "avsenderen", "forbudt", "uautoriser"],
        away: &["automatisk svar", "autosvar", "ikke til stede", "ikke på kontoret", "fraværende", "fravær", "fraværsmeddelelse", "fraværsassistent"],
    },
    Phrases { // Czech and Slovak
        opens: &["dne ", "dňa ", "v "],
        wrote: &["napsal", "píše", "napísal", "odesílatel"],
        from: &["od", "odesílatel", "odosielateľ"], sent: &["odesláno", "datum", "odoslané", "dátum"], to: &["komu", "kopie", "pre", "odpovědět"], subject: &["předmět", "predmet"],
        original: &["původní", "pôvodná", "originální"], forwarded: &["přeposlan", "přeposílan", "preposlan", "předaná"],
        sent_from: &["odesláno z", "odeslané z", "odoslané z", "posláno z", "získejte outlook", "stáhněte si outlook", "získajte outlook"],
        disclaims: &["důvěrn", "určen", "omylem", "neoprávněn", "odesílatele", "zakázán", "výhradně"],
        away: &["automatická odpověď", "automatická odpoveď", "nepřítomnost", "mimo kancelář"],
    },
    Phrases { // Romanian
        opens: &["în ", "in ", "pe ", "la data "],
        wrote: &["a scris", "scrie", "au scris"],
        from: &["de la", "din partea", "expeditor", "de"], sent: &["trimis", "data", "trimis la", "dată"], to: &["către", "catre", "la", "pentru"], subject: &["subiect", "subiectul"],
        original: &["original", "inițial"], forwarded: &["redirecționat", "redirectionat", "retransmis"],
        sent_from: &["trimis de pe", "trimis din", "trimis de la", "trimis cu", "obțineți outlook", "obţineţi outlook", "descărcați outlook"],
        disclaims: &["confidențial", "confidenţial", "confidential", "destinatar", "din greșeală", "din greşeală", "din eroare", "expeditorul", "interzis", "neautorizat"],
        away: &["răspuns automat", "raspuns automat", "absent din birou", "absență", "plecat din birou"],
    },
    Phrases { // Hungarian
        opens: &[],
        wrote: &["írta", "írja", "ezt írt"],
        from: &["feladó", "küldő"], sent: &["elküldve", "küldve", "dátum", "küldés ideje"], to: &["címzett", "címzettek", "másolatot kap", "másolat"], subject: &["tárgy"],
        original: &["eredeti"], forwarded: &["továbbított", "továbbítva", "továbbküldött"],
        sent_from: &["küldve a ", "elküldve az", "elküldve a", "küldve az", "iphone-ról küldve", "iphone-omról küldve", "ipad-emről küldve", "androidról küldve", "készülékemről küldve", "telefonomról küldve", "szerezze be az outlook", "outlook letöltése", "az outlook beszerzése"],
        disclaims: &["bizalmas", "címzett", "tévedésből", "értesítse a feladót", "értesítse a küldőt", "tilos", "jogosulatlan", "kizárólag"],
        away: &["automatikus válasz", "házon kívül", "távollét", "irodán kívül"],
    },
    Phrases { // Greek
        opens: &["στις ", "την ", "τη ", "το "],
        wrote: &["έγραψε", "έγραψαν", "γράφει", "έγραψες"],
        from: &["από", "αποστολέας"], sent: &["εστάλη", "στάλθηκε", "ημερομηνία", "απεστάλη", "αποστολή"], to: &["προς", "κοιν", "κοιν."], subject: &["θέμα"],
        original: &["αρχικό", "πρωτότυπο", "αρχικού"], forwarded: &["προωθ"],
        sent_from: &["από το κινητό", "στάλθηκε από", "εστάλη από", "απεστάλη από", "στάλθηκε με", "αποκτήστε το outlook", "λήψη του outlook"],
        disclaims: &["εμπιστευτικ", "παραλήπτη", "εκ παραδρομής", "κατά λάθος", "αποστολέα", "απαγορεύεται", "αποκλειστικά"],
        away: &["αυτόματη απάντηση", "εκτός γραφείου"],
    },
    Phrases { // Ukrainian
        opens: &["у ", "в "],
        wrote: &["пише", "написав", "написала", "писав"],
        from: &["від", "від кого", "відправник"], sent: &["надіслано", "дата", "відправлено", "надісланий"], to: &["кому", "до", "копія"], subject: &["тема"],
        original: &["оригінал", "початкове", "вихідне"], forwarded: &["пересла", "переадрес", "пересила"],
        sent_from: &["надіслано з", "відправлено з", "надіслано за допомогою", "отримайте outlook", "завантажити outlook"],
        disclaims: &["конфіденційн", "отримувач", "адресат", "помилково", "відправника", "заборонен"],
        away: &["автоматична відповідь", "автовідповідь", "автовідповідач", "поза офісом"],
    },
    Phrases { // Russian
        opens: &["в "],
        wrote: &["пишет", "написал", "писал", "написано"],
        from: &["от", "от кого", "отправитель"], sent: &["отправлено", "дата", "отправлен"], to: &["кому", "копия"], subject: &["тема"],
        original: &["исходн", "оригинал", "первоначальн", "изначальн"], forwarded: &["пересла", "переадрес", "пересыла", "перенаправл"],
        sent_from: &["отправлено с", "отправлено из", "отправлено через", "отправлено от", "скачайте outlook", "скачать outlook", "получить outlook", "загрузить outlook"],
        disclaims: &["конфиденциальн", "получател", "адресат", "ошибочно", "по ошибке", "отправител", "запрещен"],
        away: &["автоматический ответ", "автоответ", "автоматическое уведомление об отсутствии", "нет на работе", "вне офиса", "отсутстви"],
    },
    Phrases { // Bulgarian
        opens: &["на ", "в "],
        wrote: &["написа", "пише", "писа"],
        from: &["от", "подател"], sent: &["изпратено", "дата", "изпратен", "изпратено на"], to: &["до", "копие"], subject: &["относно", "тема"],
        original: &["оригинал", "първоначал"], forwarded: &["препрат", "препращ"],
        sent_from: &["изпратено от", "изпратено с", "изпратено чрез", "изтегляне на outlook", "изтеглете outlook", "вземете outlook"],
        disclaims: &["поверителн", "конфиденциалн", "получател", "по грешка", "подателя", "изпращача", "забранен"],
        away: &["автоматичен отговор", "автоматично съобщение", "извън офиса"],
    },
    Phrases { // Croatian, Serbian and Slovenian
        opens: &["dana ", "u ", "dne ", "na datum ", "v "],
        wrote: &["napisao", "napisala", "piše", "je pisao", "napisal"],
        from: &["šalje", "pošiljatelj", "od", "pošiljalac"], sent: &["poslano", "datum", "poslato", "vrijeme slanja"], to: &["prima", "za", "do", "primatelj", "kopija"], subject: &["predmet", "naslov"],
        original: &["izvorna", "izvorno", "originalna", "izvirno"], forwarded: &["proslijeđen", "prosleđen", "proslijedi", "posredovano"],
        sent_from: &["poslano s", "poslano iz", "poslano sa", "poslato sa", "poslano putem", "preuzmite outlook", "nabavite outlook", "dohvati outlook"],
        disclaims: &["povjerljiv", "poverljiv", "namijenjen", "primatelj", "greškom", "pošiljatelja", "zabranjen"],
        away: &["automatski odgovor", "odsutnost", "izvan ureda", "samodejni odgovor"],
    },
    Phrases { // Turkish
        opens: &[],
        wrote: &["yazdı", "yazmış", "şunları yaz", "şunu yaz"],
        from: &["kimden", "gönderen"], sent: &["gönderildi", "tarih", "gönderilme tarihi", "gönderim tarihi", "gönderme tarihi"], to: &["kime", "alıcı", "bilgi"], subject: &["konu"],
        original: &["özgün", "orijinal", "orjinal", "asıl "], forwarded: &["iletilen", "iletilmiş", "yönlendirilen", "yönlendirilmiş"],
        sent_from: &["gönderildi", "outlook'u edin", "android için outlook", "ios için outlook", "outlook'u indir", "outlook uygulamasını edin"],
        disclaims: &["gizli", "alıcı", "yanlışlıkla", "göndereni", "gönderene", "yasaktır", "yetkisiz"],
        away: &["otomatik yanıt", "otomatik cevap", "otomatik yanit", "ofis dışında", "ofiste değil"],
    },
    Phrases { // Japanese
        opens: &["在 "],
        wrote: &["書きました", "のメール", "のメッセージ", "さんは書", "より"],
        from: &["差出人", "送信者", "送信元"], sent: &["送信日時", "日時", "日付", "送信日"], to: &["宛先", "返信先"], subject: &["件名"],
        original: &["元のメッセージ", "オリジナル", "元のメール"], forwarded: &["転送"],
        sent_from: &["から送信", "iphoneより", "outlook を入手", "outlookを入手", "を入手"],
        disclaims: &["機密", "宛先", "誤って", "受信者", "破棄", "禁じ"],
        away: &["自動返信", "自動応答", "不在通知", "不在のお知らせ"],
    },
    Phrases { // Chinese
        opens: &["在 ", "在", "於", "于"],
        wrote: &["写道", "寫道", "写到", "寫到"],
        from: &["发件人", "寄件人", "寄件者", "發件人"], sent: &["发送时间", "发件时间", "日期", "寄件日期", "傳送時間", "时间", "发送日期", "寄件時間"], to: &["收件人", "收件者", "抄送", "副本"], subject: &["主题", "主題", "主旨"],
        original: &["原始邮件", "原始郵件", "原邮件", "原郵件", "邮件原件", "原件"], forwarded: &["转发", "轉寄", "轉發", "转寄"],
        sent_from: &["发自", "發自", "从我的", "從我的", "发送自", "傳送自", "获取 outlook", "获取outlook", "取得 outlook", "下载 outlook"],
        disclaims: &["保密", "机密", "機密", "收件人", "误收", "誤收", "通知发件人", "通知寄件人", "禁止", "删除本邮件"],
        away: &["自动回复", "自動回覆", "自动答复", "自動回復", "不在办公室", "不在辦公室"],
    },
    Phrases { // Finnish
        opens: &[],
        wrote: &["kirjoitti", "kirjoittaa"],
        from: &["lähettäjä"], sent: &["lähetetty", "päivä", "päivämäärä", "lähetysaika"], to: &["vastaanottaja", "kopio"], subject: &["aihe"],
        original: &["alkuperäinen"], forwarded: &["välitetty", "edelleenlähetetty", "edelleen lähetetty", "lähetetty edelleen"],
        sent_from: &["lähetetty", "hanki outlook", "lataa outlook"],
        disclaims: &["luottamuksellinen", "vastaanottajalle", "erehdyksessä", "lähettäjälle", "kielletty"],
        away: &["automaattinen vastaus", "poissa toimistosta", "poissaolo", "lomalla", "en ole toimistolla"],
    },
];

/// A field of a reply header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    From,
    Sent,
    To,
    Subject,
}

/// What the label `word` (lower case, without its colon) means. In two languages it may mean
/// two things ("a" and "da", "od"); any of them will do for counting.
pub(super) fn label(word: &str) -> Option<Label> {
    let stands_in = |words: fn(&Phrases) -> &[&str]| {
        LANGUAGES.iter().any(|language| words(language).contains(&word))
    };
    if stands_in(|language| language.from) {
        Some(Label::From)
    } else if stands_in(|language| language.sent) {
        Some(Label::Sent)
    } else if stands_in(|language| language.subject) {
        Some(Label::Subject)
    } else if stands_in(|language| language.to) {
        Some(Label::To)
    } else {
        None
    }
}

/// Lower case as the phrases are: Turkish's dotted capital has no mark left.
pub(super) fn folded(text: &str) -> String {
    let mut folded = text.to_lowercase();
    if folded.contains('\u{307}') {
        folded.retain(|c| c != '\u{307}');
    }
    folded
}

/// Whether the lower-case `text` holds one of the `words` of any language.
pub(super) fn holds_any(text: &str, words: fn(&Phrases) -> &[&str]) -> bool {
    LANGUAGES.iter().flat_map(words).any(|word| text.contains(word))
}

/// Whether the lower-case `text` begins with one of the `words` of any language.
pub(super) fn begins_with_any(text: &str, words: fn(&Phrases) -> &[&str]) -> bool {
    LANGUAGES.iter().flat_map(words).any(|word| text.starts_with(word))
}
