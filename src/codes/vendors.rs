//! Codes of exchanges with vendors: the network, their sign-ins, their answers.

super::codes! {
    Settings "BadAddress"
        "the address in the settings is none that a vendor can be reached at"
        "L'adresse du logiciel dans les réglages n'est pas valable"
        "correct the address; it begins with https://";
    Settings "PlainHttp"
        "the address would be called without encryption"
        "L'adresse serait appelée sans chiffrement"
        "write https://; plain http is for addresses that the settings allow as private";
    Settings "PrivateAddress"
        "the address leads into a private network"
        "L'adresse mène à un réseau privé"
        "set `allow_private_addresses = true` on the connection if the vendor really lives there";
    Settings "BadCredential"
        "a key or a password has characters that cannot be sent"
        "Une clé ou un mot de passe contient des caractères impossibles à envoyer"
        "write the secret again, without line breaks";
    Auth "BadCredentials"
        "the vendor does not accept the key or the password"
        "Le logiciel refuse la clé ou le mot de passe"
        "ask the venue for the current ones and set them; nothing is called until then";
    Auth "Forbidden"
        "the other side knows us and does not let us do this"
        "L'accès nous est refusé, bien que nous soyons reconnus"
        "ask the vendor (or pass Culture) to open this shop or venue to us";
    Auth "SignInRefused"
        "the sign-in was refused"
        "La connexion au logiciel a été refusée"
        "check name, password or key in the settings";
    Auth "SignInPaused"
        "the sign-in was refused a moment ago and is not tried again at once, so that no account is locked"
        "La connexion vient d'être refusée : elle n'est pas retentée tout de suite"
        "correct the credentials; it is tried again after the pause";
    Transient "SignInBusy"
        "another process is signing in to this account"
        "Une autre connexion à ce compte est en cours"
        "nothing: the next pass tries again";
    Transient "SessionNotKept"
        "a session with the vendor could not be kept in the store"
        "La session n'a pas pu être conservée"
        "see that the store works (`passerelle check`)";
    Auth "TokenRefused"
        "the vendor refuses the token that it gave"
        "Le logiciel refuse le jeton qu'il a donné"
        "nothing at first; if it stays so, check the account at the vendor";
    VendorFault "NoToken"
        "the vendor's sign-in answered without a token"
        "La connexion a réussi mais sans jeton"
        "report it to the vendor";
    Settings "NoTls"
        "no HTTPS client can be made on this machine"
        "Aucune connexion HTTPS n'est possible sur cette machine"
        "install its root certificates (ca-certificates)";
    Transient "DnsFailed"
        "the name of the other side is not found"
        "Le nom du serveur est introuvable"
        "check the address, and this machine's name servers";
    Transient "TlsFailed"
        "the encrypted connection could not be set up"
        "La connexion chiffrée n'a pas pu être établie"
        "often an expired certificate on the other side: report it there";
    Transient "Unreachable"
        "the other side cannot be reached, or the exchange broke off"
        "Le serveur est injoignable"
        "see that the vendor's server runs and that firewalls let us through";
    Transient "TimedOut"
        "no answer came in time"
        "Aucune réponse n'est arrivée à temps"
        "nothing at first; if it lasts, report it to the vendor";
    Transient "TooSlow"
        "the answer came too slowly to be waited for"
        "La réponse arrive trop lentement"
        "nothing at first; if it lasts, report it to the vendor";
    Transient "VendorDown"
        "the vendor's server says that it does not work"
        "Le serveur du logiciel est en panne"
        "nothing at first; if it lasts, report it to the vendor";
    Transient "VendorBusy"
        "the vendor is busy with something else for us"
        "Le logiciel est occupé"
        "nothing: it is tried again";
    RateLimited "Throttled"
        "the vendor asks to be called less often"
        "Le logiciel demande à être appelé moins souvent"
        "nothing: the wait that it asks for is kept";
    RateLimited "Challenged"
        "a guard in front of the vendor takes us for a robot"
        "La protection du site nous prend pour un robot"
        "ask the vendor to let this gateway's address through";
    VendorFault "UnexpectedStatus"
        "the answer has a status that means nothing for this call"
        "La réponse porte un code inattendu"
        "see the sentence beside the code; report it to the other side if it lasts";
    VendorFault "BadRedirect"
        "the answer sends us somewhere we may not or cannot go"
        "La réponse renvoie vers une adresse interdite ou invalide"
        "write the final address in the settings";
    Transient "BodyCut"
        "the answer broke off before its end"
        "La réponse s'est interrompue"
        "nothing: it is asked again";
    VendorFault "BodyTooLarge"
        "the answer is larger than any that makes sense"
        "La réponse est trop volumineuse"
        "check the address; report it to the vendor";
    VendorFault "MalformedBody"
        "the answer is not what the vendor's interface promises"
        "La réponse n'a pas la forme attendue"
        "report it to the vendor with the sentence beside the code";
    VendorFault "MalformedPage"
        "a page of the listing has no shape that is known"
        "Une page de la liste n'a pas la forme attendue"
        "report it to the vendor";
    VendorFault "PaginationStalled"
        "the listing gives the same page again and again"
        "La liste répète toujours la même page"
        "report it to the vendor; nothing was changed";
    VendorFault "TooManyPages"
        "the listing has more pages than any that makes sense"
        "La liste a trop de pages"
        "report it to the vendor, or ask for less in the settings";
    VendorFault "TooManyShows"
        "the listing has more shows than any that makes sense"
        "La liste a trop de séances"
        "ask for a shorter horizon in the settings";
    VendorFault "BadRequest"
        "the request is not understood by who got it"
        "La demande n'est pas comprise"
        "see the sentence beside the code; check the settings, or the request if it is yours";
    Settings "UnknownShop"
        "the vendor does not know this shop"
        "Le logiciel ne connaît pas cette librairie"
        "check the shop's number in the settings";
    Settings "UnknownCinema"
        "the vendor does not know this cinema"
        "Le logiciel ne connaît pas ce cinéma"
        "check the cinema's number in the settings";
    Settings "UnknownSite"
        "the vendor does not know this site"
        "Le logiciel ne connaît pas ce site"
        "check the site's number in the settings";
    Settings "UnknownTheater"
        "the listing does not know this theater"
        "Ce cinéma est inconnu de la liste des séances"
        "check the theater's number in the settings";
    Settings "UnknownScreen"
        "the show is in a screen that the vendor does not describe"
        "La salle de la séance est inconnue"
        "have the venue correct the show or the screen";
    Data "OddShow"
        "the vendor's description of the show lacks what a sale needs"
        "La séance est décrite de façon incomplète"
        "report it to the vendor";
    Transient "GraphError"
        "the vendor answered with an error in place of data"
        "Le logiciel a répondu par une erreur"
        "nothing at first; if it lasts, report it to the vendor";
    Transient "SoapFault"
        "the vendor answered with a fault"
        "Le logiciel a répondu par une erreur"
        "see the fault beside the code; report it to the vendor if it lasts";
    VendorFault "Rejected"
        "the vendor rejects the request without a reason that is known"
        "Le logiciel rejette la demande sans raison connue"
        "see the words beside the code; ask the vendor";
    VendorFault "RefusedByVendor"
        "the vendor refuses the sale or the request, with a reason of its own"
        "Le logiciel refuse, pour une raison qui lui est propre"
        "see the reason beside the code";
    Transient "NoTimeToSell"
        "too little time was left to sell before pass Culture stops waiting"
        "Il restait trop peu de temps pour vendre"
        "nothing for one booking; if it happens often, the vendor is too slow";
    Transient "NoTimeToCancel"
        "too little time was left to cancel"
        "Il restait trop peu de temps pour annuler"
        "nothing: it is tried again";
    Transient "TooLateToSell"
        "pass Culture was told no meanwhile, so nothing is sold any more"
        "Le pass Culture a déjà reçu un refus : plus rien n'est vendu"
        "nothing to do";
    Data "PriceChanged"
        "the vendor's price is no longer the one that was booked"
        "Le prix a changé depuis la réservation"
        "nothing: the next pass states the new price";
    VendorFault "WrongNumberOfTickets"
        "the vendor gave another number of tickets than was asked for"
        "Le nombre de billets n'est pas celui demandé"
        "look at the sale in the vendor's system; what is too much is given back";
    VendorFault "UnreadableTicket"
        "a ticket of the answer cannot be read"
        "Un billet de la réponse est illisible"
        "report it to the vendor; the booking is looked after with `passerelle bookings`";
    Transient "NoBarcodeYet"
        "the tickets are sold and have no barcode yet"
        "Les billets sont vendus mais n'ont pas encore de code-barres"
        "nothing: it is asked again";
    VendorFault "OrderStillThere"
        "an order that was taken back is still there"
        "Une commande annulée existe encore"
        "have the venue void it; see `passerelle bookings list`";
    VendorFault "SoldElsewhere"
        "the vendor sold something else than what was asked for"
        "Le logiciel a vendu autre chose que la séance demandée"
        "report it to the vendor; the order is taken back";
    VendorFault "OddPreparation"
        "the vendor prepared something else than what was asked for"
        "Le logiciel a préparé autre chose que la demande"
        "report it to the vendor; nothing was sold";
    Transient "SeatsInHand"
        "the last seats are in the hands of other buyers for a moment"
        "Les dernières places sont en cours d'achat par d'autres"
        "nothing: a moment later they are sold or free";
    Settings "NamelessSeats"
        "only seats without a number are left, which this vendor cannot sell to us"
        "Il ne reste que des places sans numéro, que le logiciel ne peut pas nous vendre"
        "have the venue number its seats, or sell the show without seat choice";
    Settings "NoVoucherPayment"
        "the vendor has no means of payment that pass Culture sales can be booked under"
        "Le logiciel n'a pas de moyen de paiement pour le pass Culture"
        "have the venue create it, or name it in the settings";
    VendorFault "NoCinemaNumber"
        "the vendor's answer lacks the cinema's number, without which tickets are void"
        "Il manque le numéro du cinéma dans la réponse"
        "report it to the vendor";
    Data "NoHolder"
        "the vendor wants the name of who comes, and the booking has none"
        "Le logiciel demande un nom que la réservation n'a pas"
        "nothing here; report it to pass Culture if it happens again";
    Unsupported "NoCountKnown"
        "the vendor's software does not say how many places are left"
        "Le logiciel n'indique pas le nombre de places restantes"
        "nothing: what it states is used";
    Unsupported "NoBoxOffice"
        "this vendor cannot sell for us"
        "Ce logiciel ne peut pas vendre pour nous"
        "set barcodes aside for it, or state its shows over the vendor interface";
    Unsupported "NotAsked"
        "the question was not put to the other side: it cannot answer it now"
        "La question n'a pas pu être posée"
        "see `passerelle check`; it is asked again";
    Data "BadMessageId"
        "a message to a venue's software has an id that cannot be sent"
        "L'identifiant d'un message ne peut pas être envoyé"
        "report it: this is a fault of the gateway";
    Data "DocumentTooLarge"
        "the document is larger than the other side takes"
        "Le document est trop volumineux"
        "see the sentence beside the code";
    Settings "UrlMoved"
        "the venue's software answers that its address moved"
        "Le logiciel indique que son adresse a changé"
        "write the new address in the settings";
    Settings "NothingIsSent"
        "nothing is sent to this endpoint: it has no address, and fetches"
        "Rien n'est envoyé à ce logiciel : il vient chercher lui-même"
        "nothing, or set its address";
    Auth "HostKeyMismatch"
        "the SFTP server shows another key than the pinned one: another server, or somebody in between"
        "Le serveur SFTP présente une autre clé que celle attendue"
        "ask the shop; only if it changed its server, pin the new key";
    Settings "NoCommonAlgorithm"
        "the SFTP server and the gateway share no algorithm; often it has an RSA host key only"
        "Le serveur SFTP et la passerelle n'ont aucun algorithme en commun"
        "have the server given an Ed25519 or ECDSA host key";
}
