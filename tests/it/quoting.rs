//! Own words apart from quoted ones, as the mail programs of our languages write them.

use std::fs;
use std::path::Path;

use deletion_desk::mail::body::{Body, Standing};
use deletion_desk::mail::{self, Bounds, Mail};

/// What the person writes, and what must never count as theirs.
const OWN: &str = "Own words.";
const QUOTED: &str = "Answer YES to confirm.";

/// Lines of attribution; `|` is where programs break them.
const ATTRIBUTIONS: &[&str] = &[
    // Gmail, web and app
    "On Thu, Nov 26, 2026 at 10:00 AM Flexus Desk| <desk@flexus.example> wrote:",
    "On Thu, 26 Nov 2026, 10:00 Flexus Desk,| <desk@flexus.example> wrote:",
    "Am Do., 26. Nov. 2026 um 10:00 Uhr schrieb Flexus Desk| <desk@flexus.example>:",
    "Le jeu. 26 nov. 2026 à 10:00, Flexus Desk <desk@flexus.example> a| écrit :",
    "El jue, 26 nov 2026 a las 10:00, Flexus Desk| (<desk@flexus.example>) escribió:",
    "Il giorno gio 26 nov 2026 alle ore 10:00 Flexus Desk| <desk@flexus.example> ha scritto:",
    "Em qui., 26 de nov. de 2026 às 10:00, Flexus Desk| <desk@flexus.example> escreveu:",
    "A quinta, 26/11/2026, 10:00, Flexus Desk <desk@flexus.example>| escreveu:",
    "Op do 26 nov 2026 om 10:00 schreef Flexus Desk| <desk@flexus.example>:",
    "czw., 26 lis 2026 o 10:00 Flexus Desk <desk@flexus.example>| napisał(a):",
    "Den tors 26 nov. 2026 kl 10:00 skrev Flexus Desk| <desk@flexus.example>:",
    "Den tor. 26. nov. 2026 kl. 10.00 skrev Flexus Desk| <desk@flexus.example>:",
    "tor. 26. nov. 2026 kl. 10:00 skrev Flexus Desk| <desk@flexus.example>:",
    "čt 26. 11. 2026 v 10:00 odesílatel Flexus Desk| <desk@flexus.example> napsal:",
    "În joi, 26 nov. 2026 la 10:00, Flexus Desk <desk@flexus.example> a| scris:",
    "Flexus Desk <desk@flexus.example> ezt írta (időpont: 2026. nov. 26., Cs,| 10:00):",
    "Στις Πέμ 26 Νοε 2026 στις 10:00 π.μ., ο χρήστης Flexus Desk| <desk@flexus.example> έγραψε:",
    "чт, 26 лист. 2026 р. о 10:00 Flexus Desk <desk@flexus.example>| пише:",
    "чт, 26 нояб. 2026 г. в 10:00, Flexus Desk| <desk@flexus.example>:",
    "На чт, 26.11.2026 г. в 10:00 Flexus Desk <desk@flexus.example>| написа:",
    "čet, 26. stu 2026. u 10:00 Flexus Desk <desk@flexus.example>| napisao je:",
    "Flexus Desk <desk@flexus.example>, 26 Kas 2026 Per, 10:00| tarihinde şunu yazdı:",
    "2026年11月26日(木) 10:00 Flexus Desk| <desk@flexus.example>:",
    "Flexus Desk <desk@flexus.example> 于2026年11月26日周四| 10:00写道：",
    "Flexus Desk <desk@flexus.example> 於 2026年11月26日 週四 上午10:00寫道：",
    "to 26. marrask. 2026 klo 10.00 Flexus Desk| <desk@flexus.example> kirjoitti:",
    // Apple Mail, Mac and phone
    "On 26 Nov 2026, at 10:00, Flexus Desk <desk@flexus.example> wrote:",
    "On Nov 26, 2026, at 10:00 AM, Flexus Desk| <desk@flexus.example> wrote:",
    "Am 26.11.2026 um 10:00 schrieb Flexus Desk <desk@flexus.example>:",
    "Le 26 nov. 2026 à 10:00, Flexus Desk| <desk@flexus.example> a écrit :",
    "El 26 nov 2026, a las 10:00, Flexus Desk| <desk@flexus.example> escribió:",
    "Il giorno 26 nov 2026, alle ore 10:00, Flexus Desk| <desk@flexus.example> ha scritto:",
    "No dia 26/11/2026, às 10:00, Flexus Desk <desk@flexus.example>| escreveu:",
    "Em 26 de nov. de 2026, à(s) 10:00, Flexus Desk| <desk@flexus.example> escreveu:",
    "Op 26 nov. 2026 om 10:00 heeft Flexus Desk| <desk@flexus.example> het volgende geschreven:",
    "Wiadomość napisana przez Flexus Desk <desk@flexus.example> w dniu 26 lis 2026, o godz. 10:00:",
    "26 nov. 2026 kl. 10:00 skrev Flexus Desk <desk@flexus.example>:",
    "Den 26. nov. 2026 kl. 10.00 skrev Flexus Desk| <desk@flexus.example>:",
    "26. 11. 2026 v 10:00, Flexus Desk <desk@flexus.example>:",
    "Pe 26 nov. 2026, la 10:00, Flexus Desk <desk@flexus.example> a scris:",
    "2026. nov. 26. dátummal, 10:00 időpontban Flexus Desk| <desk@flexus.example> írta:",
    "Στις 26 Νοε 2026, στις 10:00 π.μ., ο χρήστης Flexus Desk| <desk@flexus.example> έγραψε:",
    "26 лист. 2026 р. о 10:00 Flexus Desk <desk@flexus.example> пише:",
    "26 нояб. 2026 г., в 10:00, Flexus Desk <desk@flexus.example>| написал(а):",
    "Dana 26. stu 2026., u 10:00, Flexus Desk| <desk@flexus.example> je napisao:",
    "Flexus Desk <desk@flexus.example> şunları yazdı (26 Kas 2026| 10:00):",
    "2026/11/26 10:00、Flexus Desk <desk@flexus.example>のメール:",
    "在 2026年11月26日，10:00，Flexus Desk <desk@flexus.example> 写道：",
    // Thunderbird, Roundcube and others without the address
    "On 26/11/2026 10:00, Flexus Desk wrote:",
    "On 2026-11-26 10:00, Flexus Desk wrote:",
    "Am 26.11.26 um 10:00 schrieb Flexus Desk:",
    "Le 26/11/2026 à 10:00, Flexus Desk a écrit :",
    "El 26/11/26 a las 10:00, Flexus Desk escribió:",
    "Il 26/11/2026 10:00, Flexus Desk ha scritto:",
    "Em 26/11/2026 10:00, Flexus Desk escreveu:",
    "Op 26-11-2026 om 10:00 schreef Flexus Desk:",
    "W dniu 26.11.2026 o 10:00, Flexus Desk pisze:",
    "Den 2026-11-26 kl. 10:00, skrev Flexus Desk:",
    "Den 26.11.2026 kl. 10.00 skrev Flexus Desk:",
    "Dne 26. 11. 26 v 10:00 Flexus Desk napsal(a):",
    "Pe 26.11.2026 10:00, Flexus Desk a scris:",
    "2026. 11. 26. 10:00 keltezéssel, Flexus Desk írta:",
    "Στις 26/11/2026 10:00 π.μ., ο Flexus Desk έγραψε:",
    "26.11.2026 10:00, Flexus Desk пише:",
    "26.11.2026 10:00, Flexus Desk пишет:",
    "На 26.11.2026 г. в 10:00 ч., Flexus Desk написа:",
    "26. 11. 2026. u 10:00, Flexus Desk je napisao/la:",
    "26.11.2026 10:00 tarihinde Flexus Desk yazdı:",
    "On 2026/11/26 10:00, Flexus Desk wrote:",
    "在 2026/11/26 10:00, Flexus Desk 写道:",
    "26.11.2026 klo 10.00 Flexus Desk kirjoitti:",
    // Yahoo
    "On Thursday, November 26, 2026 at 10:00:00 AM GMT+1, Flexus Desk| <desk@flexus.example> wrote:  ",
    "Am Donnerstag, 26. November 2026 um 10:00:00 MEZ hat Flexus Desk| <desk@flexus.example> Folgendes geschrieben:  ",
    "Le jeudi 26 novembre 2026 à 10:00:00 UTC+1, Flexus Desk| <desk@flexus.example> a écrit :  ",
    "En jueves, 26 de noviembre de 2026, 10:00:00 CET, Flexus Desk| <desk@flexus.example> escribió:  ",
    "Il giovedì 26 novembre 2026 alle ore 10:00:00 CET, Flexus Desk| <desk@flexus.example> ha scritto:  ",
    // Proton, Fastmail, K-9, Spark, Horde
    "On Thursday, November 26th, 2026 at 10:00, Flexus Desk| <desk@flexus.example> wrote:",
    "Le jeudi 26 novembre 2026 à 10:00, Flexus Desk <desk@flexus.example> a écrit :",
    "On Thu, Nov 26, 2026, at 10:00 AM, Flexus Desk wrote:",
    "Am 26. November 2026 10:00:00 MEZ schrieb Flexus Desk <desk@flexus.example>:",
    "On 26 Nov 2026 at 10:00 +0100, Flexus Desk <desk@flexus.example>, wrote:",
    "Quoting Flexus Desk <desk@flexus.example>:",
    "Zitat von Flexus Desk <desk@flexus.example>:",
    // Zoho and Zimbra
    "---- On Thu, 26 Nov 2026 10:00:00 +0100 Flexus Desk <desk@flexus.example> wrote ----",
    "---- Am Do., 26 Nov. 2026 10:00:00 +0100 Flexus Desk <desk@flexus.example> schrieb ----",
    "----- Le 26 Nov 26, à 10:00, Flexus Desk desk@flexus.example a écrit :",
    // Others that write it their own way
    "Flexus Desk wrote:",
    "Flexus Desk schrieb:",
    "Flexus Desk <desk@flexus.example> schrieb am Do., 26. Nov. 2026 um 10:00 Uhr:",
    "2026-11-26 10:00 GMT+01:00 Flexus Desk <desk@flexus.example>:",
    "четверг, 26 ноября 2026 г. пользователь Flexus Desk написал:",
    "26 лист. 2026 р. 10:00 \"Flexus\" desk@flexus.example пише:",
    "-----Flexus Desk <desk@flexus.example> wrote: -----",
    "In a message dated 11/26/2026 10:00:00 AM Central European Time, desk@flexus.example writes:",
    "In message <a@flexus.example> Flexus Desk writes:",
    // Mail.ru, Yandex, 163
    "Четверг, 26 ноября 2026, 10:00 +03:00 от Flexus Desk <desk@flexus.example>:",
    "26.11.2026, 10:00, \"Flexus Desk\" <desk@flexus.example>:",
    "At 2026-11-26 10:00:00, \"Flexus Desk\" <desk@flexus.example> wrote:",
    "在 2026-11-26 10:00:00，\"Flexus Desk\" <desk@flexus.example> 写道：",
];

#[track_caller]
fn check(text: &str) {
    let body = Body::split(text, Standing::InThread);
    assert_eq!(body.own.trim(), OWN, "{text}");
}

#[test]
fn every_line_of_attribution_is_known_wherever_it_is_broken_and_the_answer_stands() {
    for line in ATTRIBUTIONS {
        let broken = line.replace('|', "\n").replace("\n ", "\n");
        for line in [line.replace('|', ""), broken] {
            check(&format!("{OWN}\n\n{line}\n\n> Hello,\n> {QUOTED}\n"));
            check(&format!("{OWN}\n{line}\n> {QUOTED}\n>> older\n"));
            check(&format!("{line}\n> {QUOTED}\n\n{OWN}\n"));
            check(&format!("{OWN}\r\n\r\n{line}\r\n\r\nHello,\r\n{QUOTED}\r\n"));
            check(&format!("{OWN}\n\n> {line}\n> \n> {QUOTED}\n"));
        }
    }
}

/// From, sent, to and subject as Outlook and its kin write them above what they quote.
const HEADERS: &[[&str; 4]] = &[
    ["From", "Sent", "To", "Subject"],
    ["From", "Date", "To", "Subject"],
    ["Von", "Gesendet", "An", "Betreff"],
    ["Von", "Datum", "An", "Betreff"],
    ["De ", "Envoyé ", "À ", "Objet "],
    ["De", "Date", "À", "Objet"],
    ["De", "Enviado el", "Para", "Asunto"],
    ["De", "Fecha", "Para", "Asunto"],
    ["Da", "Inviato", "A", "Oggetto"],
    ["De", "Enviada em", "Para", "Assunto"],
    ["De", "Data", "Para", "Assunto"],
    ["Van", "Verzonden", "Aan", "Onderwerp"],
    ["Od", "Wysłano", "Do", "Temat"],
    ["Från", "Skickat", "Till", "Ämne"],
    ["Fra", "Sendt", "Til", "Emne"],
    ["Od", "Odesláno", "Komu", "Předmět"],
    ["De la", "Trimis", "Către", "Subiect"],
    ["Feladó", "Elküldve", "Címzett", "Tárgy"],
    ["Από", "Στάλθηκε", "Προς", "Θέμα"],
    ["Від", "Надіслано", "Кому", "Тема"],
    ["От", "Отправлено", "Кому", "Тема"],
    ["От", "Изпратено", "До", "Относно"],
    ["Šalje", "Poslano", "Prima", "Predmet"],
    ["Kimden", "Gönderildi", "Kime", "Konu"],
    ["Gönderen", "Gönderme Tarihi", "Kime", "Konu"],
    ["差出人", "送信日時", "宛先", "件名"],
    ["发件人", "发送时间", "收件人", "主题"],
    ["寄件者", "寄件日期", "收件者", "主旨"],
    ["Lähettäjä", "Lähetetty", "Vastaanottaja", "Aihe"],
];

#[test]
fn every_reply_header_ends_the_writers_words() {
    for [from, sent, to, subject] in HEADERS {
        for colon in [":", "："] {
            let plain = format!(
                "{from}{colon} Flexus <desk@flexus.example>\n{sent}{colon} Thursday\n{to}{colon} Jane\n{subject}{colon} x\n"
            );
            let bold = format!(
                "*{from}{colon}* Flexus\n*{sent}{colon}* Thursday\n*{to}{colon}* Jane\n*{subject}{colon}* x\n"
            );
            for header in [plain, bold] {
                check(&format!("{OWN}\n\n{header}\n{QUOTED}\n"));
                check(&format!(
                    "{OWN}\n\n________________________________\n\n{header}\n{QUOTED}\n"
                ));
                check(&format!("{OWN}\n\n-----Original Message-----\n{header}\n{QUOTED}\n"));
            }
        }
    }
    // GMX begins with the date.
    check(&format!(
        "{OWN}\n\nGesendet: Donnerstag, 26. November 2026 um 10:00 Uhr\nVon: \"Flexus\" <desk@flexus.example>\nAn: jane@example.org\nBetreff: x\n\n{QUOTED}\n"
    ));
}

/// Separators, and whether they forward.
const SEPARATORS: &[(&str, bool)] = &[
    ("-----Original Message-----", false),
    ("-------- Original message --------", false),
    ("------- Original Message -------", false),
    (
        "\u{2010}\u{2010}\u{2010}\u{2010}\u{2010}\u{2010}\u{2010} Original Message \u{2010}\u{2010}\u{2010}\u{2010}\u{2010}\u{2010}\u{2010}",
        false,
    ),
    ("----- Original Message -----", false),
    ("-----Ursprüngliche Nachricht-----", false),
    ("-------- Originalnachricht --------", false),
    ("-----Message d'origine-----", false),
    ("-------- Message d'origine --------", false),
    ("-----Mensaje original-----", false),
    ("-----Messaggio originale-----", false),
    ("-----Mensagem original-----", false),
    ("-----Oorspronkelijk bericht-----", false),
    ("-----Original Message-----", false),
    ("-----Wiadomość oryginalna-----", false),
    ("-----Ursprungligt meddelande-----", false),
    ("-----Oprindelig meddelelse-----", false),
    ("-----Opprinnelig melding-----", false),
    ("-----Původní zpráva-----", false),
    ("-----Mesaj original-----", false),
    ("-----Eredeti üzenet-----", false),
    ("-----Αρχικό μήνυμα-----", false),
    ("-----Вихідне повідомлення-----", false),
    ("-----Исходное сообщение-----", false),
    ("-----Оригинално съобщение-----", false),
    ("-----Izvorna poruka-----", false),
    ("-----Özgün İleti-----", false),
    ("-----元のメッセージ-----", false),
    ("-----邮件原件-----", false),
    ("------------------ 原始邮件 ------------------", false),
    ("------------------ Original ------------------", false),
    ("-----Alkuperäinen viesti-----", false),
    ("----- Reply message -----", false),
    ("---------- Forwarded message ---------", true),
    ("-------- Forwarded Message --------", true),
    ("Begin forwarded message:", true),
    ("-------- Weitergeleitete Nachricht --------", true),
    ("Anfang der weitergeleiteten Nachricht:", true),
    ("---------- Message transféré ---------", true),
    ("Début du message transféré :", true),
    ("Début du message réexpédié :", true),
    ("---------- Mensaje reenviado ----------", true),
    ("Inicio del mensaje reenviado:", true),
    ("-------- Messaggio Inoltrato --------", true),
    ("Inizio messaggio inoltrato:", true),
    ("---------- Mensagem encaminhada ---------", true),
    ("Início da mensagem encaminhada:", true),
    ("-------- Doorgestuurd bericht --------", true),
    ("Begin doorgestuurd bericht:", true),
    ("---------- Wiadomość przekazana dalej ---------", true),
    ("Początek przekazywanej wiadomości:", true),
    ("---------- Vidarebefordrat meddelande ---------", true),
    ("Vidarebefordrat brev:", true),
    ("---------- Videresendt meddelelse ---------", true),
    ("Videresendt besked:", true),
    ("---------- Přeposlaná zpráva ---------", true),
    ("Začátek přeposílané zprávy:", true),
    ("---------- Mesaj redirecționat ---------", true),
    ("---------- Továbbított üzenet ---------", true),
    ("---------- Προωθημένο μήνυμα ---------", true),
    ("---------- Переслане повідомлення ---------", true),
    ("---------- Пересланное сообщение ----------", true),
    ("---------- Препратено съобщение ---------", true),
    ("---------- Proslijeđena poruka ---------", true),
    ("---------- Yönlendirilmiş mesaj ---------", true),
    ("İletilen ileti başlangıcı:", true),
    ("---------- 転送されたメッセージ ---------", true),
    ("---------- 转发的邮件 ---------", true),
    ("下面是被转发的邮件：", true),
];

#[test]
fn every_separator_ends_the_writers_words_and_says_whether_it_forwards() {
    for (separator, forwards) in SEPARATORS {
        for standing in [Standing::InThread, Standing::First] {
            let text = format!(
                "{OWN}\n\n{separator}\nFrom: Flexus <desk@flexus.example>\nDate: Thursday\n\n{QUOTED}\n"
            );
            let body = Body::split(&text, standing);
            assert_eq!((body.own.trim(), body.forwards), (OWN, *forwards), "{text}");
        }
    }
    check(&format!(
        "{OWN}\n\n-------- Original message --------From: Flexus <desk@flexus.example> Date: 26/11/2026 10:00 (GMT+01:00) To: Jane Subject: x\n{QUOTED}\n"
    ));
    let marked = format!("{OWN}\n\n> Begin forwarded message:\n> \n> From: x\n> {QUOTED}\n");
    assert!(Body::split(&marked, Standing::InThread).forwards, "as Apple Mail quotes it in HTML");
    let old = format!(
        "{OWN}\n\nOn 26/11/2026 10:00, Jane wrote:\n> see\n> ---------- Forwarded message ---------\n> {QUOTED}\n"
    );
    assert!(!Body::split(&old, Standing::InThread).forwards, "somebody forwarded it before");
}

const PHONES: &[&str] = &[
    "Sent from my iPhone",
    "Sent from my cell, please excuse any typos.",
    "Sent from Mailbox for iPad",
    "(sent from a phone)",
    "Sent from Yahoo Mail on Android",
    "Sent from Outlook for Android",
    "Sent with Proton Mail secure email.",
    "Sent via the Samsung Galaxy S24, an AT&T 5G smartphone",
    "Get Outlook for iOS",
    "Get Outlook for Android<https://aka.ms/AAb9ysg>",
    "Von meinem iPhone gesendet",
    "Gesendet von Outlook für Android",
    "Diese Nachricht wurde von meinem Android-Mobiltelefon mit GMX Mail gesendet.",
    "Gesendet mit der GMX Mail App",
    "Holen Sie sich Outlook für iOS",
    "Envoyé de mon iPhone",
    "Envoyé à partir de Outlook pour Android",
    "Télécharger Outlook pour Android",
    "Enviado desde mi iPhone",
    "Obtener Outlook para iOS",
    "Inviato da iPhone",
    "Scarica Outlook per Android",
    "Enviado do meu iPhone",
    "Obter o Outlook para iOS",
    "Verstuurd vanaf mijn iPhone",
    "Outlook voor Android downloaden",
    "Wysłane z iPhone'a",
    "Pobierz program Outlook dla systemu iOS",
    "Skickat från min iPhone",
    "Hämta Outlook för Android",
    "Sendt fra min iPhone",
    "Odesláno z iPhonu",
    "Trimis de pe iPhone-ul meu",
    "Obțineți Outlook pentru iOS",
    "Elküldve az iPhone-omról",
    "Στάλθηκε από το iPhone μου",
    "Надіслано з iPhone",
    "Отправлено с iPhone",
    "Отправлено из мобильной Яндекс Почты",
    "Изпратено от моя iPhone",
    "Poslano s mog iPhonea",
    "iPhone'umdan gönderildi",
    "iPhoneから送信",
    "发自我的iPhone",
    "從我的iPhone傳送",
    "Lähetetty iPhonesta",
];

#[test]
fn lines_of_mobile_programs_and_signatures_are_nobodys_words() {
    for line in PHONES {
        check(&format!("{OWN}\n\n{line}\n\nOn 26/11/2026 10:00, Flexus wrote:\n> {QUOTED}\n"));
        check(&format!("{OWN}\n{line}\n"));
    }
    check(&format!("{OWN}\n-- \nJane Doe\nHead of Yes\n"));
    check(&format!("{OWN}\n--\nJane Doe\n\n> {QUOTED}\n"));
    let below = Body::split(&format!("-- \nJane\n> {QUOTED}\n{OWN}\n"), Standing::InThread);
    assert!(below.own.contains(OWN), "a signature ends where the quotation begins");
    let letter = "Dear all,\n--\n".to_owned() + &"I ask you to delete my data.\n".repeat(20);
    assert!(
        Body::split(&letter, Standing::First).own.contains("delete"),
        "too long for a signature"
    );
    let own = "Sent from my old address, since the new one is broken. Please delete both.";
    assert!(Body::split(own, Standing::First).own.contains("delete"));
}

const DISCLAIMERS: &[&str] = &[
    "This e-mail and any attachments are confidential and intended solely for the addressee. If you have received it in error, please notify the sender and delete it.",
    "Diese E-Mail enthält vertrauliche und/oder rechtlich geschützte Informationen. Wenn Sie nicht der richtige Adressat sind, informieren Sie bitte sofort den Absender und löschen Sie diese Mail.",
    "Ce message et ses pièces jointes sont confidentiels et destinés exclusivement au destinataire. Si vous l'avez reçu par erreur, merci d'avertir l'expéditeur et de le détruire.",
    "Este mensaje es confidencial y se dirige exclusivamente a su destinatario. Si lo ha recibido por error, notifíquelo al remitente y elimínelo.",
    "Questo messaggio è riservato ai soli destinatari. Se lo avete ricevuto per errore, vi preghiamo di informare il mittente e di distruggerlo.",
    "Esta mensagem é confidencial e dirigida ao destinatário. Se a recebeu por engano, informe o remetente e apague-a de imediato, por favor.",
    "Dit bericht is vertrouwelijk en uitsluitend bestemd voor de geadresseerde. Indien u dit ten onrechte ontvangt, verzoeken wij u het te vernietigen.",
];

#[test]
fn disclaimers_are_no_requests_and_no_answers() {
    for words in DISCLAIMERS {
        for standing in [Standing::InThread, Standing::First] {
            let body = Body::split(&format!("{OWN}\n\n{words}\n"), standing);
            assert_eq!(body.own.trim(), OWN, "{words}");
            assert!(body.signature.contains(words));
        }
        let alone = Body::split(words, Standing::First);
        assert!(alone.own.contains(words), "somebody's only words are theirs");
    }
}

/// A first mail that quotes nothing keeps all its words.
#[test]
fn a_letter_loses_nothing_for_looking_like_a_reply() {
    for letter in [
        "From: Jane Doe\nDate of birth: 5 May 1990\nTo: the privacy team\nSubject: erasure\n\nPlease delete my data.",
        "On 5 May 2026 your colleague Max wrote:\n\nwe will delete it. Nothing happened. Please delete my data.",
        "Dear team,\n\nVon: Jana Muster\nGesendet: heute\nAn: euch\nBetreff: Löschung\n\nPlease delete my data.",
        "My data:\n----------\nName: Jane\nMail: jane@example.org\n----------\nPlease delete my data.",
        "> Please delete my data.\n> Jane",
        "El 5 de mayo de 2026 a las 10:00 me escribió:\nPlease delete my data.",
        "Jane <jane@example.org> wrote on 05.05.2026:\n\nPlease delete my data.",
    ] {
        let body = Body::split(letter, Standing::First);
        assert_eq!(body.own.trim(), letter.trim(), "{letter}");
    }
}

/// The end of a marked line that a program broke is nobody's answer.
#[test]
fn the_end_of_a_broken_quotation_is_no_answer() {
    let long = "> If you want us to delete the data that we hold about you, answer this mail:";
    check(&format!(
        "{OWN}\n\nOn 26/11/2026 10:00, Flexus wrote:\n{long}\nYES\n> and nothing else.\n"
    ));
    let asked = "> Was it you?\nOwn words.\n> Shall we go on?\n";
    check(&format!("On 26/11/2026 10:00, Flexus wrote:\n{asked}"));
}

/// Programs that name sender and time without a colon, directly above what they mark.
#[test]
fn a_line_of_sender_and_time_right_above_a_quotation_is_its_attribution() {
    for line in [
        "2026/11/26 Flexus <desk@flexus.example>",
        "\"Flexus\" desk@flexus.example – November 26, 2026 10:00 AM",
    ] {
        check(&format!("{OWN}\n\n{line}\n> {QUOTED}\n"));
    }
}

#[test]
fn inline_answers_are_the_writers_own() {
    let text = "On 26/11/2026 10:00, Flexus wrote:\n> One?\n\nFirst.\n\n> Two?\n>> older\n\nSecond.\n-- \nJane\n";
    let body = Body::split(text, Standing::InThread);
    assert_eq!(body.own.split_whitespace().collect::<Vec<_>>(), ["First.", "Second."]);
}

fn parsed(raw: &str) -> Mail {
    mail::parse(raw.as_bytes(), &Bounds::default()).unwrap()
}

/// Whole mails as the programs send them (`tests/mails/quoting`): own words on one line, and
/// whether they pass another mail on.
#[test]
fn whole_mails_of_many_programs_are_read() {
    let mut expected = vec![
        ("gmail-german", "Ja", false),
        ("outlook-desktop-french", "Oui Cordialement, Jane", false),
        ("outlook-phone-html-alone", "Yes", false),
        ("iphone-spanish", "Sí, soy yo.", false),
        ("thunderbird-answer-below", "No, that was not me.", false),
        ("yahoo-italian", "Sì", false),
        ("samsung-portuguese", "Sim", false),
        ("gmx-plain", "Ja", false),
        ("corporate-disclaimer", "No, I never asked for this. Jane Doe", false),
        ("inline", "It was me. Do it, please.", false),
        ("only-quoted", "", false),
        ("qq-chinese", "是的", false),
        ("forwarded-gmail-polish", "Do obsługi.", true),
        ("forwarded-apple-dutch", "Graag afhandelen.", true),
        ("forwarded-as-an-attachment", "Please handle.", true),
        (
            "first-mail-that-looks-like-a-reply",
            "From: Jane Doe Date: 26 November 2026 To: Flexus Subject: my data On 5 May 2026 your \
             colleague wrote: We will see. Please delete my data now.",
            false,
        ),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mails/quoting");
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let at = expected.iter().position(|(listed, ..)| *listed == name).expect(&name);
        let (_, own, forwards) = expected.swap_remove(at);
        let mail = mail::parse(&fs::read(&path).unwrap(), &Bounds::default()).unwrap();
        let words = mail.body.own.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!((words.as_str(), mail.body.forwards), (own, forwards), "{name}");
    }
    assert_eq!(expected, [], "each has its file");
    let raw = fs::read(folder.join("forwarded-as-an-attachment.eml")).unwrap();
    let quoted = mail::parse(&raw, &Bounds::default()).unwrap().body.quoted;
    assert!(quoted.contains("jane@example.org") && quoted.contains("delete my data"), "{quoted}");
}

/// How each program quotes in HTML alone.
const HTML: &[(&str, &str)] = &[
    (
        "Gmail",
        "<div dir=\"ltr\">Own words.</div><br><div class=\"gmail_quote gmail_quote_container\"><div dir=\"ltr\" class=\"gmail_attr\">On Thu, Nov 26, 2026 at 10:00 AM Flexus &lt;<a href=\"mailto:desk@flexus.example\">desk@flexus.example</a>&gt; wrote:<br></div><blockquote class=\"gmail_quote\" style=\"margin:0px 0px 0px 0.8ex\"><p>Answer YES to confirm.</p></blockquote></div>",
    ),
    (
        "Gmail, answer below",
        "<div class=\"gmail_quote\"><div class=\"gmail_attr\">2026年11月26日(木) 10:00 Flexus &lt;desk@flexus.example&gt;:</div><blockquote class=\"gmail_quote\">Answer YES to confirm.</blockquote></div><div>Own words.</div>",
    ),
    (
        "Outlook, desktop",
        "<div class=WordSection1><p class=MsoNormal>Own words.<o:p></o:p></p><p class=MsoNormal><o:p>&nbsp;</o:p></p><div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'><p class=MsoNormal><b>Von:</b> Flexus &lt;desk@flexus.example&gt; <br><b>Gesendet:</b> Donnerstag<br><b>An:</b> Jane<br><b>Betreff:</b> x</p></div></div><p>Answer YES to confirm.</p></div>",
    ),
    (
        "Outlook, desktop, unknown colour",
        "<div><p>Own words.</p><div style='border-top:solid #123456 1pt'><p><b>Kimden:</b> Flexus<br><b>Gönderildi:</b> Perşembe<br><b>Kime:</b> Jane<br><b>Konu:</b> x</p></div><p>Answer YES to confirm.</p></div>",
    ),
    (
        "Outlook, web and phone",
        "<div>Own words.</div><div id=\"appendonsend\"></div><hr style=\"display:inline-block;width:98%\" tabindex=\"-1\"><div id=\"divRplyFwdMsg\" dir=\"ltr\"><b>From:</b> Flexus<br><b>Sent:</b> Thursday<br></div><div>Answer YES to confirm.</div>",
    ),
    (
        "Outlook, new phone",
        "<div>Own words.</div><div id=\"mail-editor-reference-message-container\" class=\"ms-outlook-mobile-reference-message\"><div>Answer YES to confirm.</div></div>",
    ),
    (
        "Apple Mail",
        "<html><body dir=\"auto\">Own words.<br><div dir=\"ltr\"><br><blockquote type=\"cite\">Am 26.11.2026 um 10:00 schrieb Flexus &lt;desk@flexus.example&gt;:<br><br></blockquote></div><blockquote type=\"cite\"><div>Answer YES to confirm.</div></blockquote></body></html>",
    ),
    (
        "Thunderbird",
        "<p>Own words.</p><div class=\"moz-cite-prefix\">Den 26.11.2026 kl. 10.00 skrev Flexus:<br></div><blockquote type=\"cite\" cite=\"mid:x@y\"><p>Answer YES to confirm.</p></blockquote>",
    ),
    (
        "Thunderbird, answer below",
        "<div class=\"moz-cite-prefix\">Le 26/11/2026 à 10:00, Flexus a écrit :<br></div><blockquote type=\"cite\">Answer YES to confirm.</blockquote><p>Own words.</p>",
    ),
    (
        "Yahoo",
        "<div>Own words.</div><div id=\"yahoo_quoted_1\" class=\"yahoo_quoted\"><div><div>On Thursday, November 26, 2026, Flexus wrote:</div><div>Answer YES to confirm.</div></div></div>",
    ),
    (
        "Proton",
        "<div>Own words.</div><div class=\"protonmail_quote\">On Thursday Flexus wrote:<br><blockquote type=\"cite\">Answer YES to confirm.</blockquote></div>",
    ),
    (
        "GMX",
        "<div>Own words.</div><div name=\"quote\" style=\"border-left:2px solid #C3D9E5\"><div><b>Gesendet:</b> x</div><div name=\"quoted-content\">Answer YES to confirm.</div></div>",
    ),
    (
        "Zimbra",
        "<div>Own words.</div><hr id=\"zwchr\" data-marker=\"__DIVIDER__\"><div data-marker=\"__HEADERS__\"><b>From: </b>Flexus</div><div>Answer YES to confirm.</div>",
    ),
    (
        "Zoho",
        "<div>Own words.</div><div class=\"zmail_extra\"><div>---- On Thu Flexus wrote ---</div><blockquote>Answer YES to confirm.</blockquote></div>",
    ),
    (
        "Roundcube",
        "<p>Own words.</p><p id=\"reply-intro\">On 2026-11-26 10:00, Flexus wrote:</p><blockquote type=\"cite\">Answer YES to confirm.</blockquote>",
    ),
    (
        "Mail.ru",
        "<div>Own words.</div><blockquote style=\"border-left:1px solid #0857A6\">Четверг, 26 ноября 2026, 10:00 от Flexus:<br><div>Answer YES to confirm.</div></blockquote>",
    ),
    (
        "Yandex",
        "<div>Own words.</div><div>26.11.2026, 10:00, \"Flexus\" &lt;desk@flexus.example&gt;:</div><blockquote>Answer YES to confirm.</blockquote>",
    ),
    (
        "Samsung",
        "<div>Own words.</div><div><br></div><div>-------- Original message --------</div><div>From: Flexus</div><div>Date: 26/11/2026</div><div>Answer YES to confirm.</div>",
    ),
    (
        "QQ",
        "<div>Own words.</div><div>------------------&nbsp;原始邮件&nbsp;------------------</div><div><b>发件人:</b> Flexus</div><div>Answer YES to confirm.</div>",
    ),
    (
        "Hotmail",
        "<div>Own words.</div><hr id=\"stopSpelling\">Date: Thu<br>From: Flexus<br>Answer YES to confirm.",
    ),
    (
        "nested",
        "<div>Own words.</div><blockquote><blockquote>old</blockquote>Answer YES to confirm.</blockquote>",
    ),
    ("never closed", "<div>Own words.<blockquote type=cite>Answer YES to confirm."),
    (
        "hidden",
        "<div style=\"display:none\">Answer YES to confirm.</div><p>Own words.</p><span style=\"font-size:0px;color:#fff\">Answer YES to confirm.</span><font color=white style='color: #FFFFFF'>Answer YES to confirm.</font><!-- Answer YES to confirm. --><style>p{} Answer YES to confirm.</style>",
    ),
];

#[test]
fn html_alone_is_quoted_as_each_program_does() {
    for (program, html) in HTML {
        let raw = format!(
            "From: jane@example.org\nIn-Reply-To: <a@flexus.example>\nContent-Type: text/html; charset=utf-8\n\n{html}\n"
        );
        let body = parsed(&raw).body;
        assert_eq!(body.own.trim(), OWN, "{program}: {:?}", body.quoted);
    }
}

/// What only indents, or is small in one place and not in the other, is read.
#[test]
fn html_that_quotes_nothing_keeps_its_words() {
    for html in [
        "<blockquote style=\"margin:0 0 0 40px;border:none;padding:0px\">Own words.</blockquote>",
        "<td style=\"font-size:0\"><div style=\"font-size:13px\">Own words.</div></td>",
        "<table bgcolor=\"#003366\"><tr><td style=\"color:#ffffff\">Own words.</td></tr></table>",
        "<p>Own &#119;ords.</p>",
        "<p>Own\n<b>wor</b>ds.</p>",
        "<a title=\"a > b\">Own words.</a>",
        "<p title='unclosed>Own words.</p>",
        "<head><title>No</title></head>Own words.",
    ] {
        let raw =
            format!("From: jane@example.org\nContent-Type: text/html; charset=utf-8\n\n{html}\n");
        assert_eq!(parsed(&raw).body.own.trim(), OWN, "{html}");
    }
}
