from handlers import plain as main
