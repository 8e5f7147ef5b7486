//! Codes of the gateway itself: its store, its passes, and what it answers to software that calls it.

super::codes! {
    Transient "LeaseLost"
        "another process took this connection over meanwhile"
        "Une autre instance a repris cette connexion"
        "nothing: that process goes on; see that clocks agree if it happens often";
    Transient "StoreUnavailable"
        "the store does not answer"
        "La base de la passerelle ne répond pas"
        "see that the database runs, or that the file's disk works and has room";
    Transient "StoreFailed"
        "the store cannot be written"
        "La base de la passerelle ne peut pas être écrite"
        "see that the database runs, or that the file's disk works and has room";
    Data "StoreUnreadable"
        "something in the store is damaged or of a later release"
        "Une donnée de la base est abîmée ou trop récente"
        "restore a backup, or run the release that wrote it; report it";
    Data "StoreValue"
        "a value cannot be stored"
        "Une valeur ne peut pas être enregistrée"
        "report it: this is a fault of the gateway";
    Transient "StoreRefused"
        "the database refused a statement"
        "La base de données a refusé une opération"
        "see the database's own log; report it";
    Settings "UnknownConnection"
        "there is no connection with this id in the store"
        "Aucune connexion ne porte ce nom"
        "`passerelle connections list` shows them; `passerelle apply` stores new ones";
    Transient "TemporaryFolder"
        "sorting the rows needs room in the temporary folder"
        "Le dossier temporaire manque de place"
        "make room there, or set TMPDIR to another folder";
    VendorFault "SourceUnfinished"
        "the source stopped without saying that it was at its end; nothing was changed"
        "La source s'est arrêtée avant sa fin : rien n'a été changé"
        "nothing: the next pass reads it again";
    Unsupported "NothingToRead"
        "this adapter has nothing to read"
        "Ce logiciel ne fournit rien à lire"
        "nothing: this connection is no source of stock or shows";
    VendorFault "InboundUnreadable"
        "a posted body that was accepted once cannot be read by this release; it is kept"
        "Un envoi accepté est illisible par cette version : il est conservé"
        "run the release that accepted it, or have the snapshot posted again";
    Auth "Unauthorized"
        "a valid bearer token is needed"
        "Un jeton d'accès valable est nécessaire"
        "send the token that the operator gave, in the header Authorization";
    Settings "NoAdminToken"
        "the admin API is closed, since no admin token is set"
        "L'interface d'administration est fermée : aucun jeton n'est défini"
        "set `server.admin_token`";
    Settings "NoMetrics"
        "no metrics are kept by this process"
        "Cette instance ne tient pas de mesures"
        "see the server's settings";
    Data "NoSuchAccount"
        "no pass Culture account has this name"
        "Aucun compte pass Culture ne porte ce nom"
        "check the address that pass Culture was given";
    Data "NoSuchConnection"
        "there is no such connection at work"
        "Cette connexion n'existe pas ou n'est pas active"
        "`passerelle connections list` shows them";
    Data "NoSuchEndpoint"
        "no venue's software is registered under this name"
        "Aucun logiciel de lieu ne porte ce nom"
        "`passerelle connections list` shows them";
    Data "NoSuchMessage"
        "there is no message with this id, or it is forgotten by now"
        "Aucun message ne porte cet identifiant"
        "`passerelle messages` lists those that are kept";
    Data "BadState"
        "the message is in no state in which this can be done"
        "L'état du message ne le permet pas"
        "see the sentence beside the code";
    Data "EmptyRange"
        "the range of a replay ends before it begins"
        "La période demandée est vide"
        "ask for a range that begins before it ends";
    Data "OutsideRetention"
        "the range of a replay begins before what is kept"
        "La période demandée est trop ancienne"
        "ask for a later beginning";
    Data "TooMany"
        "more at once than is taken"
        "Trop d'éléments à la fois"
        "ask for a smaller part, and go on from there";
    RateLimited "TooManyCalls"
        "this software calls more often than it may"
        "Ce logiciel appelle trop souvent"
        "wait as the header Retry-After says";
    RateLimited "TooManyRefusals"
        "too many refused requests came from this address"
        "Trop de demandes refusées depuis cette adresse"
        "correct the token or the request, and wait as the header Retry-After says";
    Data "TooLarge"
        "the body is larger than is taken here"
        "L'envoi est trop volumineux"
        "send less at once";
    Transient "BodyTooSlow"
        "the body did not arrive in time"
        "L'envoi n'est pas arrivé à temps"
        "nothing: the sender tries again";
    Data "AddressTooLong"
        "the address of the request is too long"
        "L'adresse de la demande est trop longue"
        "correct the caller";
    Data "BadQuery"
        "a parameter of the request is unknown or has a wrong value"
        "Un paramètre de la demande est incorrect"
        "see the interface's description at /api/v1/openapi.json";
    Data "BadCursor"
        "the cursor is none that was given here"
        "Le repère de lecture n'est pas valable"
        "send the cursor of the last answer as it came, or none";
    Data "CursorExpired"
        "the cursor is older than what is kept"
        "Le repère de lecture est trop ancien"
        "begin anew without a cursor";
    Data "WrongMethod"
        "this address takes other methods"
        "Cette adresse n'accepte pas cette méthode"
        "see the interface's description at /api/v1/openapi.json";
    Data "WrongContentType"
        "the body has a type that is not taken here"
        "Le type de contenu n'est pas accepté"
        "send the type that the sentence beside the code names";
    Data "NotJson"
        "the body is no JSON"
        "L'envoi n'est pas du JSON"
        "correct the caller";
    Data "Invalid"
        "a field of the body is missing or has a wrong value"
        "Un champ de l'envoi manque ou est incorrect"
        "see the faults that are listed with the code";
    Data "BadIdempotencyKey"
        "the idempotency key is too long or has characters that are not taken"
        "La clé d'idempotence n'est pas valable"
        "send a short key of plain characters, such as a UUID";
    Data "IdempotencyKeyReused"
        "the idempotency key came before with another body"
        "La clé d'idempotence a déjà servi pour un autre envoi"
        "use a new key for each new request";
    Data "WrongShape"
        "a signed message has no shape that is known"
        "Le message signé n'a pas la forme attendue"
        "report it to pass Culture's support; nothing was booked";
    Auth "InvalidSignature"
        "the message is not signed with a key of this account: it is not from pass Culture, or the key is old"
        "La signature du message ne correspond à aucune clé du compte"
        "compare `hmac_keys` with the key in the pass Culture portal";
}
